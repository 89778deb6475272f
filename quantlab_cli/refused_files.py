"""Files that were refused: named one by one on stderr, and the exit status says that something was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.errors_to_exit_status import FAILED, one_line

if TYPE_CHECKING:
    from quantlab_assets.workflows.intake import Intake


def refuse_if_nothing_came_in(intake: Intake[Any]) -> None:
    """End with the errors when no file was accepted: there is nothing to show then."""
    if not intake.accepted:
        name_refused(intake)


def name_refused(intake: Intake[Any]) -> None:
    """One line on stderr for each refused file, and exit status 1; does nothing when all came in."""
    for refused in intake.refused:
        click.echo(one_line(f"error: {refused.error}"), err=True)
    if intake.refused:
        raise SystemExit(FAILED)
