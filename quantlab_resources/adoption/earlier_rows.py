"""Rows of the earlier store's manifest, read with suspicion: what can be taken over, and why another cannot.

Rows are named by their SQLite row number until they were read, since even an id may be anything in a file that others
wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_core.artifacts.logical_key import MAX_KEY_LENGTH
from quantlab_core.errors import InvalidInputError, SchemaError
from quantlab_resources.artifacts.files.file_names import check_type_name, name_in_lake

EARLIER_TABLES: Mapping[str, tuple[str, ...]] = {
    "artifacts": (
        *("artifact_id", "artifact_type", "schema_version", "logical_key", "status", "path_parquet", "path_sidecar"),
        *("file_hash", "content_hash", "row_count", "min_ts", "max_ts", "created_at"),
    ),
    "artifact_lineage": ("artifact_id", "input_artifact_id"),
    "artifact_tags": ("artifact_id", "k", "v"),
    "artifact_supersedes": ("artifact_id", "supersedes_artifact_id"),
}

_FIELDS = EARLIER_TABLES["artifacts"]
_INTEGERS = ("schema_version", "row_count")
_LIMITS = ("min_ts", "max_ts")
_TEXTS = tuple(name for name in _FIELDS if name not in {*_INTEGERS, *_LIMITS, "status"})
_LONGEST = {
    "artifact_id": 200,
    "logical_key": MAX_KEY_LENGTH,
    "file_hash": 200,
    "content_hash": 200,
    "created_at": 40,
    "min_ts": 40,
    "max_ts": 40,
}
_LONGEST_PATH = 4_096
_OF_QUANTLAB = "qlh1:"
_LARGEST_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class EarlierRow:
    """One artifact of the earlier store. ``values`` has its columns; ``inputs`` and ``links`` are the ids that the
    manifest gives, a link as (newer, older). ``input_rows`` are the row numbers of the inputs."""

    number: int
    values: Mapping[str, Any]
    tags: Sequence[tuple[str, str]]
    inputs: Mapping[str, int]
    links: Sequence[tuple[str, str]]

    @property
    def artifact_id(self) -> str:
        """The id that the earlier store gave it."""
        return str(self.values["artifact_id"])


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be taken over: which one, as far as it can be said, and why. One that ``stops_a_lake`` has
    values of kinds that no question to a manifest expects."""

    number: int
    artifact_id: str
    reason: str
    stops_a_lake: bool = False


def check_tables(connection: apsw.Connection, path: Path) -> None:
    """Raise InvalidInputError unless the file has the tables and columns of the earlier store's manifest."""
    for table, columns in EARLIER_TABLES.items():
        kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        found = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        missing = [column for column in columns if column not in found]
        if kind != ("table",) or missing:
            what = f"its table {table} has no column {missing[0]}" if kind and missing else f"it has no table {table}"
            raise InvalidInputError(f"{path} is no manifest of the earlier store: {what}; it stays as it is")


def all_rows(connection: apsw.Connection) -> list[int]:
    """Numbers of all rows of artifacts, oldest artifact first."""
    return [row[0] for row in connection.execute("SELECT rowid FROM artifacts ORDER BY created_at, artifact_id, rowid")]


def pending_rows(connection: apsw.Connection) -> list[int]:
    """Numbers of the rows that the earlier store's writer put into a manifest of ours and that nobody took over, and of
    those whose file was not whole when they were; oldest artifact first."""
    rows = connection.execute(
        "SELECT a.rowid FROM artifacts a LEFT JOIN adoptions d ON d.artifact_id = a.artifact_id"
        " WHERE a.published_seq IS NULL AND (d.artifact_id IS NULL OR d.file_check <> 'confirmed')"
        " ORDER BY a.created_at, a.artifact_id, a.rowid"
    )
    return [row[0] for row in rows]


def lineage_edges(connection: apsw.Connection) -> list[tuple[int, int]]:
    """Lineage between rows that are there, as (made, input)."""
    return [
        (row[0], row[1])
        for row in connection.execute(
            "SELECT a.rowid, b.rowid FROM artifact_lineage l JOIN artifacts a ON a.artifact_id = l.artifact_id"
            " JOIN artifacts b ON b.artifact_id = l.input_artifact_id ORDER BY 1, 2"
        )
    ]


def read_row(connection: apsw.Connection, number: int) -> EarlierRow | RefusedRow:
    """The row, or why it cannot be taken over."""
    try:
        found = connection.execute(f"SELECT {', '.join(_FIELDS)} FROM artifacts WHERE rowid = ?", (number,)).fetchone()  # noqa: S608 - fixed names
        if found is None:
            return RefusedRow(number, "", "the row is gone")
        values = dict(zip(_FIELDS, found, strict=True))
        reason = refusal(values)
        if reason is not None:
            return RefusedRow(number, _shown(values["artifact_id"]), reason, stops_a_lake=_has_odd_kinds(values))
        return EarlierRow(number, values, *_surroundings(connection, values["artifact_id"]))
    except UnicodeDecodeError:
        return RefusedRow(number, "", "it holds text that is not UTF-8", stops_a_lake=True)


def refusal(values: Mapping[str, Any]) -> str | None:
    """Why a row of artifacts cannot be taken over; None if it can."""
    for name in _TEXTS:
        value = values[name]
        if not isinstance(value, str) or not value:
            return f"{name} is no text"
        if len(value) > _LONGEST.get(name, _LONGEST_PATH):
            return f"{name} has {len(value):,} characters"
        if not value.isprintable():
            return f"{name} holds control characters"
    for name in _INTEGERS:
        value = values[name]
        if not isinstance(value, int) or not 0 <= value < _LARGEST_INTEGER:
            return f"{name} is {_shown(value)}"
    for name in _LIMITS:
        value = values[name]
        if value is not None and not (isinstance(value, str) and len(value) <= _LONGEST[name] and value.isprintable()):
            return f"{name} is no time"
    if values["status"] not in set(ArtifactStatus):
        return f"the status {_shown(values['status'])} is none"
    if values["content_hash"].startswith(_OF_QUANTLAB):
        return "it claims a content hash of quantlab's"
    if any(piece in {"", ".", ".."} or piece.endswith(("=.", "=..")) for piece in values["logical_key"].split("/")):
        return "its logical key reads like a path"
    try:
        check_type_name(values["artifact_type"], values["schema_version"])
    except SchemaError as error:
        return str(error)
    for name in ("path_parquet", "path_sidecar"):
        if name_in_lake(values[name]) is None:
            return f"{name} {_shown(values[name])} names no file below an artifacts folder"
    return None


def _has_odd_kinds(values: Mapping[str, Any]) -> bool:
    times = [values[name] for name in _LIMITS if values[name] is not None]
    return (
        not all(isinstance(value, str) for value in (*(values[name] for name in _TEXTS), *times))
        or not all(isinstance(values[name], int) for name in _INTEGERS)
        or values["status"] not in set(ArtifactStatus)
    )


def _surroundings(
    connection: apsw.Connection, artifact_id: str
) -> tuple[list[tuple[str, str]], dict[str, int], list[tuple[str, str]]]:
    tags = [
        (key, value)
        for key, value in connection.execute("SELECT k, v FROM artifact_tags WHERE artifact_id = ?", (artifact_id,))
        if isinstance(key, str) and isinstance(value, str)
    ]
    inputs = {
        row[0]: row[1]
        for row in connection.execute(
            "SELECT b.artifact_id, b.rowid FROM artifact_lineage l JOIN artifacts b ON b.artifact_id ="
            " l.input_artifact_id WHERE l.artifact_id = ?",
            (artifact_id,),
        )
    }
    links = [
        (newer, older)
        for newer, older in connection.execute(
            "SELECT artifact_id, supersedes_artifact_id FROM artifact_supersedes"
            " WHERE artifact_id = ?1 OR supersedes_artifact_id = ?1",
            (artifact_id,),
        )
        if newer != older
    ]
    return tags, inputs, links


def _shown(value: object) -> str:
    return repr(value)[:80]
