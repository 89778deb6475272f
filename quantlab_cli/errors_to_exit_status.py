"""The one place where errors become an exit status and a line on stderr."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from quantlab_core.errors import QuantlabError

FAILED = 1
INTERRUPTED = 130
_DAGSTER_INTERRUPTION = "DagsterExecutionInterruptedError"
"""Told by its name: importing Dagster only to recognise its exception would cost every command half a second."""


@contextmanager
def errors_to_exit_status(*, show_traceback: bool) -> Iterator[None]:
    """Within the block, an error ends the program: one line on stderr, and before it the traceback if asked for.

    Status 1 for every error, 130 for an interruption. Click's own ways of ending, and a closed pipe, pass through.
    """
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if show_traceback:
            traceback.print_exc()
        expected = _expected_cause(error)
        if expected is not None:
            _end(FAILED, f"error: {expected}")
        hint = "" if show_traceback else "; --debug shows the traceback"
        _end(FAILED, f"error: unexpected {type(error).__name__}: {error}{hint}")
    except BaseException as interruption:
        if not isinstance(interruption, KeyboardInterrupt) and type(interruption).__name__ != _DAGSTER_INTERRUPTION:
            raise
        if show_traceback:
            traceback.print_exc()
        _end(INTERRUPTED, "interrupted: what was published is safe, and the same command goes on from there")


def one_line(text: str) -> str:
    """``text`` on one line, without control characters that a terminal would act upon."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def _expected_cause(error: BaseException) -> QuantlabError | None:
    """The error that was raised on purpose, which a library may have wrapped in one of its own."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and not any(cause is one for one in seen):  # a chain of causes can run in a circle
        if isinstance(cause, QuantlabError):
            return cause
        seen.append(cause)
        cause = cause.__cause__
    return None


def _end(status: int, message: str) -> None:
    click.echo(one_line(message), err=True)
    raise SystemExit(status)
