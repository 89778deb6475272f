"""What can be confirmed of one artifact of the earlier store: its bytes, its content, its sidecar."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.earlier_content_hash import confirming_edition
from quantlab_core.artifacts.type_of_table import content_hash_of_table
from quantlab_core.artifacts.upcast import rows_left_out
from quantlab_core.errors import ArtifactMissingError, InvalidInputError, QuantlabError
from quantlab_resources.adoption.earlier_rows import EarlierRow
from quantlab_resources.artifacts.files.parquet_files import MAX_DECODED_BYTES, decode
from quantlab_resources.artifacts.files.sidecar import describes, read_sidecar

CONFIRMED = "confirmed"
DIFFERS = "differs"
MISSING = "missing"
UNCONFIRMED = "unconfirmed"
UNREADABLE = "unreadable"
"""What a content check says of a file that holds no readable table."""

_ODD_VALUES = (pa.ArrowException, ValueError, TypeError, ArithmeticError, QuantlabError)


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found. ``data`` is the whole file, where its hash was confirmed. ``rows`` is None where no table could
    be read; ``left_out`` counts the rows that the upcast to our schema leaves out. ``sidecar`` is confirmed, differs
    (torn, or another's) or missing."""

    file_check: str
    content_check: str
    sidecar: str
    qlh1_hash: str | None = None
    byte_size: int | None = None
    rows: int | None = None
    left_out: int = 0
    data: bytes | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the artifact can be read."""
        return self.file_check == CONFIRMED and self.content_check != UNREADABLE


def examine(files: ArtifactFiles, row: EarlierRow) -> Examination:
    """Read the artifact's files and compare. Raises StorageError where the disk refuses: that says nothing of them."""
    body, sidecar = _sidecar(files, row)
    try:
        data, byte_size, found = _read(files, row.values["path_parquet"])
    except ArtifactMissingError:
        return Examination(MISSING, UNCONFIRMED, sidecar)
    is_confirmed = found == row.values["file_hash"].removeprefix("sha256:")
    file_check = CONFIRMED if is_confirmed else DIFFERS
    table = None if data is None else _decoded(data, row)
    if table is None:
        return Examination(file_check, UNREADABLE, sidecar, byte_size=byte_size, data=data if is_confirmed else None)
    return Examination(
        file_check,
        _edition(table, row, body) or UNCONFIRMED,
        sidecar,
        qlh1_hash=_own_hash(table, row) if is_confirmed else None,
        byte_size=byte_size,
        rows=table.num_rows,
        left_out=_left_out(table, row),
        data=data if is_confirmed else None,
    )


def _sidecar(files: ArtifactFiles, row: EarlierRow) -> tuple[dict[str, Any], str]:
    try:
        body = read_sidecar(files, row.values["path_sidecar"])
    except ArtifactMissingError:
        return {}, MISSING
    return body or {}, CONFIRMED if describes(body, artifact_of(row)) else DIFFERS


def artifact_of(row: EarlierRow) -> Artifact:
    """The row as an artifact."""
    return Artifact(**{**row.values, "status": ArtifactStatus(row.values["status"])})


def _read(files: ArtifactFiles, name: str) -> tuple[bytes | None, int, str]:
    """The bytes, unless they are more than a table may have; how many they are; their SHA-256."""
    digest, blocks, size = hashlib.sha256(), [], 0
    for block in files.read_blocks(name):
        digest.update(block)
        size += len(block)
        if size <= MAX_DECODED_BYTES:
            blocks.append(block)
        else:
            blocks.clear()
    return (b"".join(blocks) if size <= MAX_DECODED_BYTES else None), size, digest.hexdigest()


def _decoded(data: bytes, row: EarlierRow) -> pa.Table | None:
    try:
        return decode(data, origin=row.artifact_id).replace_schema_metadata(None)
    except InvalidInputError:
        return None


def _edition(table: pa.Table, row: EarlierRow, sidecar: dict[str, Any]) -> str | None:
    identity = sidecar.get("identity")
    named = identity if isinstance(identity, dict) else {}
    try:
        return confirming_edition(
            table,
            row.values["artifact_type"],
            row.values["content_hash"],
            named.get("canonical_cols"),
            named.get("sort_keys"),
        )
    except _ODD_VALUES:
        return None


def _own_hash(table: pa.Table, row: EarlierRow) -> str | None:
    """The qlh1 hash; None for a table of types that we do not store."""
    try:
        return content_hash_of_table(row.values["artifact_type"], row.values["schema_version"], table)
    except _ODD_VALUES:
        return None


def _left_out(table: pa.Table, row: EarlierRow) -> int:
    try:
        return rows_left_out(table, artifact_of(row))
    except _ODD_VALUES:
        return table.num_rows
