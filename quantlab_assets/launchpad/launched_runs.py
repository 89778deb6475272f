"""What the jobs that people start from Dagster's launchpad have in common.

Run config comes from whoever reaches the UI, so it is looked at as the command line looks at its arguments, before
anything is stored; and what is refused ends the run with one line that says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from quantlab_core.errors import InvalidInputError, NotFoundError, QuantlabError, StorageError

if TYPE_CHECKING:
    from quantlab_assets.workflows.lake_runs import LakeRuns
    from quantlab_resources.lab import Lab

STAGING = "staging"
"""The folder of the lake in which relative paths start."""
LONGEST_PATH = 4096
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")


@contextmanager
def launched_runs(
    context: dg.OpExecutionContext, *, field_of_option: Mapping[str, str] | None = None
) -> Iterator[LakeRuns]:
    """Runs on the lake of this op, each under a run of its own, as the command line starts them.

    An error that quantlab raised on purpose ends the op as `dg.Failure` with the error's line, and is not tried again.
    Where the line speaks of an option of the command line, it names the field instead: ``field_of_option`` has those
    that are called differently.
    """
    # The graph is made of the modules of these jobs too.
    from quantlab_assets.workflows.lake_runs import LakeRuns

    try:
        _refuse_environment(context)
        runs = LakeRuns(context.resources.lab.get(), context.instance)
        yield runs
        for refusal in runs.refusals:
            context.log.warning(
                f"{refusal.asset} {refusal.partition}: {refusal.subject} left as it was: {refusal.reason}"
            )
    except QuantlabError as error:
        raise dg.Failure(description=_told(error, field_of_option or {}), allow_retries=False) from None


def check_refresh_settings(lab: Lab) -> None:
    """Look at the settings on which bringing data in relies, before any of it is stored.

    Raises InvalidInputError, NotFoundError.
    """
    from quantlab_resources.coverage.configured_thresholds import configured_thresholds

    configured_thresholds()
    _ = lab.candle_source


def given_path(lab: Lab, text: str) -> Path:
    """The file or folder that ``text`` names on Dagster's machine; a relative path starts in the lake's `STAGING`.

    Raises InvalidInputError (no path, or neither file nor folder), NotFoundError, StorageError.
    """
    if not text.strip() or len(text) > LONGEST_PATH or not text.isprintable():
        raise InvalidInputError(
            f"{text[:80]!r} is no path; write the full path of a file on the machine that Dagster runs on"
        )
    path = lab.paths.home / STAGING / text
    try:
        if path.is_file() or path.is_dir():
            return path
        is_there = path.exists()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; check that Dagster's user may read it") from None
    if is_there:
        raise InvalidInputError(f"{path} is neither a file nor a folder; name a file that holds the data")
    raise NotFoundError(
        f"{path} not found on the machine that Dagster runs on; put the file there, or write its full path"
    )


def given_day(field: str, text: str | None) -> date | None:
    """The UTC day that the run config's ``field`` says. Raises InvalidInputError."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{field}: {text[:80]!r} is no day; write it as 2025-05-01") from None


def given_days(first: str | None, last: str | None) -> tuple[date, date] | None:
    """The days ``first_day`` and ``last_day``, both of them or neither. Raises InvalidInputError."""
    first_day, last_day = given_day("first_day", first), given_day("last_day", last)
    if first_day is None and last_day is None:
        return None
    if first_day is None or last_day is None:
        raise InvalidInputError("a range of days needs both first_day and last_day; give the other one too, or neither")
    if first_day > last_day:
        raise InvalidInputError(f"first_day {first_day} is after last_day {last_day}; no day lies between them")
    return first_day, last_day


def artifact_counts(runs: LakeRuns) -> dict[str, dg.MetadataValue]:
    """How many artifacts the lake gained, and how many came out as they were."""
    return {
        "new_artifacts": dg.MetadataValue.int(runs.counts.new),
        "artifacts_already_there": dg.MetadataValue.int(runs.counts.published - runs.counts.new),
    }


def _told(error: QuantlabError, field_of_option: Mapping[str, str]) -> str:
    """The error's line with fields for options; what stands in backticks is a command and stays."""

    def field_for(option: re.Match[str]) -> str:
        return field_of_option.get(option[1], option[1].replace("-", "_"))

    parts = " ".join(str(error).split()).split("`")
    parts[::2] = [_OPTION.sub(field_for, part) for part in parts[::2]]
    return "`".join(parts)


def _refuse_environment(context: dg.OpExecutionContext) -> None:
    """Dagster replaces ``{env: NAME}`` by the server's variable, which may hold a password that nobody here may see."""
    run_config: Any = context.run.run_config
    given = run_config.get("ops", {}).get(context.op_def.name, {}).get("config", {})
    for field, value in given.items() if isinstance(given, Mapping) else ():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(one, Mapping) and set(one) == {"env"} for one in values):
            raise InvalidInputError(f"{field}: the launchpad reads no environment variables; write the value itself")
