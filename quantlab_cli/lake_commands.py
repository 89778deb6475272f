"""``quantlab lake``: the group, and making a lake. Its other commands are in ``lake_<what>_commands.py``."""

from __future__ import annotations

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.tables import shown


@click.group(cls=LakeGroup)
def lake() -> None:
    """Make a lake, see how it stands, check it."""


@lake.command("init")
@click.pass_obj
def init(invocation: Invocation) -> None:
    """Make an empty lake; one that is there stays as it is."""
    from quantlab_resources.lab import Lab
    from quantlab_resources.lake_paths import LakePaths

    was_there = LakePaths.from_environment(invocation.home).manifest_db.exists()
    lab = Lab.create(invocation.home)
    click.echo(f"{shown(lab.paths.home)}: {'the lake was there already' if was_there else 'made an empty lake'}")
