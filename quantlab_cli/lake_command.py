"""What every command has: ``--home``, ``--debug``, and errors that end as an exit status."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from quantlab_cli.errors_to_exit_status import errors_to_exit_status


@dataclass(frozen=True, slots=True)
class Invocation:
    """How the command was called: for which lake (None: as the environment says), and whether to show tracebacks."""

    home: Path | None
    debug: bool


class LakeCommand(click.Command):
    """A command on a lake; its function receives the `Invocation` through ``click.pass_obj``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(
                ["--home"],
                type=click.Path(path_type=Path),
                metavar="PATH",
                help="Folder of the lake  [default: QUANTLAB_HOME, else ./lake]",
            ),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function under the project's error rules."""
        invocation = Invocation(ctx.params.pop("home"), ctx.params.pop("debug"))
        ctx.obj = invocation
        with errors_to_exit_status(show_traceback=invocation.debug):
            return super().invoke(ctx)


class LakeGroup(click.Group):
    """A group of such commands, listed in the order in which they are defined."""

    command_class = LakeCommand

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands as they are ordered in the source."""
        return list(self.commands)
