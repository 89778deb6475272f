"""The record of a projection: what was asked for, what went in, what came out.

It stands beside the DuckDB file as ``<id>.json``, outlives it, and is enough to build it again. A copy lies inside the
file (table ``quantlab.record``), so that a file always explains itself, also after a crash between the two renames.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.projections.projection_builder import ProjectionIndex, ProjectionResult, ProjectionTable
from quantlab_resources.artifacts.files.durable_files import replace_durably

FORMAT = "quantlab-projection/1"


@dataclass(frozen=True, slots=True)
class ProjectionInput:
    """An artifact in a table, as it was when the table was built."""

    artifact_id: str
    artifact_type: str
    logical_key: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A table: the ids that were asked for, the artifacts that they stood for, and what was built of them."""

    requested: tuple[str, ...]
    inputs: tuple[ProjectionInput, ...]
    built: ProjectionTable
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ProjectionRecord:
    """All that is known of a projection. ``fingerprint`` covers the tables by name."""

    projection_id: str
    tables: tuple[RecordedTable, ...]
    indexes: tuple[ProjectionIndex, ...]
    fingerprint: str

    def result(self, duckdb_path: Path) -> ProjectionResult:
        """The record as the port's result."""
        artifact_ids = tuple(dict.fromkeys(entry.artifact_id for table in self.tables for entry in table.inputs))
        return ProjectionResult(
            projection_id=self.projection_id,
            duckdb_path=str(duckdb_path),
            tables=tuple(table.built for table in self.tables),
            artifact_count=len(artifact_ids),
            total_rows=sum(table.built.row_count for table in self.tables),
            artifact_ids=artifact_ids,
            fingerprint=self.fingerprint,
        )


def projection_input(artifact: Artifact) -> ProjectionInput:
    """What is recorded of ``artifact``."""
    return ProjectionInput(artifact.artifact_id, artifact.artifact_type, artifact.logical_key, artifact.content_hash)


def encode_record(record: ProjectionRecord) -> str:
    """The record as JSON text."""
    value = {
        "format": FORMAT,
        "projectionId": record.projection_id,
        "fingerprint": record.fingerprint,
        "indexes": [{"table": index.table, "columns": list(index.columns)} for index in record.indexes],
        "tables": [
            {
                "name": table.built.name,
                "requested": list(table.requested),
                "rowCount": table.built.row_count,
                "columns": list(table.built.columns),
                "indexes": list(table.built.indexes),
                "fingerprint": table.fingerprint,
                "artifacts": [
                    {
                        "artifactId": entry.artifact_id,
                        "artifactType": entry.artifact_type,
                        "logicalKey": entry.logical_key,
                        "contentHash": entry.content_hash,
                    }
                    for entry in table.inputs
                ],
            }
            for table in record.tables
        ],
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def decode_record(text: str) -> ProjectionRecord | None:
    """The record in ``text``; None when it is not one."""
    try:
        value = json.loads(text)
        return _record_of(value) if value["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError):
        return None


def read_record(path: Path) -> ProjectionRecord | None:
    """The record in the file ``path``; None when there is none."""
    try:
        return decode_record(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def write_record(path: Path, record: ProjectionRecord) -> None:
    """Replace the file ``path`` durably. Raises StorageError."""
    replace_durably(path, encode_record(record).encode())


def embed_record(connection: duckdb.DuckDBPyConnection, record: ProjectionRecord) -> None:
    """Put the record into the DuckDB file that is being built."""
    connection.execute("CREATE SCHEMA quantlab")
    connection.execute("CREATE TABLE quantlab.record (record VARCHAR)")
    connection.execute("INSERT INTO quantlab.record VALUES (?)", [encode_record(record)])


def embedded_record(connection: duckdb.DuckDBPyConnection) -> ProjectionRecord | None:
    """The record inside an open projection; None when the file was not built by quantlab."""
    try:
        rows = connection.execute("SELECT record FROM quantlab.record").fetchall()
    except duckdb.Error:
        return None
    return decode_record(rows[0][0]) if rows else None


def _record_of(value: dict[str, Any]) -> ProjectionRecord:
    return ProjectionRecord(
        projection_id=value["projectionId"],
        fingerprint=value["fingerprint"],
        indexes=tuple(ProjectionIndex(index["table"], tuple(index["columns"])) for index in value["indexes"]),
        tables=tuple(
            RecordedTable(
                requested=tuple(table["requested"]),
                inputs=tuple(
                    ProjectionInput(
                        entry["artifactId"], entry["artifactType"], entry["logicalKey"], entry["contentHash"]
                    )
                    for entry in table["artifacts"]
                ),
                built=ProjectionTable(
                    table["name"], table["rowCount"], tuple(table["columns"]), tuple(table["indexes"])
                ),
                fingerprint=table["fingerprint"],
            )
            for table in value["tables"]
        ),
    )
