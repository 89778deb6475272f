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
    """Make an empty lake; one that an older quantlab made is brought up to date, any other stays as it is."""
    from quantlab_resources.lab import Lab

    lab = Lab(invocation.home)
    was_there = lab.paths.manifest_db.exists()
    changes = lab.make_lake()
    done = f"brought up to date ({', '.join(changes)})" if changes else "the lake was there already"
    click.echo(f"{shown(lab.paths.home)}: {done if was_there else 'made an empty lake'}")
