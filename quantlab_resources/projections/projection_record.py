"""The record of a projection: what was asked for, which artifacts went in, what came out.

It lies in the folder ``projections`` of the lake, outlives the cache, and is enough to build the projection again. A
copy lies inside the file (table ``quantlab.record``) or the dataset, which so explains itself after a crash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.projections.projection_builder import (
    ProjectionForm,
    ProjectionIndex,
    ProjectionRequest,
    ProjectionResult,
    ProjectionTable,
)
from quantlab_core.projections.row_fingerprint import RowsHash

FORMAT = "quantlab-projection/2"


@dataclass(frozen=True, slots=True)
class RecordedSource:
    """An artifact in a table, as it was when the table was built. Rows of the table name it by ``source_id``."""

    source_id: int
    artifact_id: str
    artifact_type: str
    logical_key: str
    content_hash: str
    row_count: int

    @classmethod
    def of(cls, source_id: int, artifact: Artifact, row_count: int) -> RecordedSource:
        """What is recorded of ``artifact``."""
        named = (artifact.artifact_id, artifact.artifact_type, artifact.logical_key, artifact.content_hash)
        return cls(source_id, *named, row_count)


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A table: the ids that were asked for, the artifacts that they stood for, and what was built of them.

    ``appended_rows`` counts rows that refreshes put behind the sorted ones, or took out, since all were sorted.
    """

    requested: tuple[str, ...]
    sources: tuple[RecordedSource, ...]
    built: ProjectionTable
    rows_hash: RowsHash
    fingerprint: str
    appended_rows: int = 0


@dataclass(frozen=True, slots=True)
class ProjectionRecord:
    """All that is known of a projection.

    ``fingerprint`` covers the tables by name; ``cache_dir`` is None for the lake's own. ``lake`` is the path of the
    manifest from the folder of the projection, so that both can be moved together; None where it was not recorded.
    """

    projection_id: str
    form: ProjectionForm
    cache_dir: str | None
    tables: tuple[RecordedTable, ...]
    indexes: tuple[ProjectionIndex, ...]
    fingerprint: str
    lake: str | None = None

    @property
    def request(self) -> ProjectionRequest:
        """The request as it was made."""
        tables = {table.built.name: table.requested for table in self.tables}
        return ProjectionRequest(self.projection_id, tables, self.indexes, self.cache_dir, self.form)

    @property
    def artifact_ids(self) -> tuple[str, ...]:
        """The artifacts of all tables, each once."""
        return tuple(dict.fromkeys(entry.artifact_id for table in self.tables for entry in table.sources))

    def result(self, path: Path) -> ProjectionResult:
        """The record as the port's result."""
        return ProjectionResult(
            projection_id=self.projection_id,
            duckdb_path=str(path),
            tables=tuple(table.built for table in self.tables),
            artifact_count=len(self.artifact_ids),
            total_rows=sum(table.built.row_count for table in self.tables),
            artifact_ids=self.artifact_ids,
            fingerprint=self.fingerprint,
            form=self.form,
        )


def fingerprint_of(tables: Iterable[tuple[str, str]]) -> str:
    """The fingerprint of a projection from (name, fingerprint) of its tables; their order does not matter."""
    digest = hashlib.sha256()
    for name, fingerprint in sorted(tables):
        digest.update(f"{name}\t{fingerprint}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def encode_record(record: ProjectionRecord) -> str:
    """The record as JSON text."""
    value = {
        "format": FORMAT,
        "projectionId": record.projection_id,
        "form": record.form,
        **({} if record.cache_dir is None else {"cacheDir": record.cache_dir}),
        **({} if record.lake is None else {"lake": record.lake}),
        "fingerprint": record.fingerprint,
        "indexes": [{"table": index.table, "columns": list(index.columns)} for index in record.indexes],
        "tables": [
            {
                "name": table.built.name,
                "requested": list(table.requested),
                "rowCount": table.built.row_count,
                "appendedRows": table.appended_rows,
                "columns": list(table.built.columns),
                "indexes": list(table.built.indexes),
                "rowsHash": str(table.rows_hash),
                "fingerprint": table.fingerprint,
                "artifacts": [
                    {
                        "sourceId": entry.source_id,
                        "artifactId": entry.artifact_id,
                        "artifactType": entry.artifact_type,
                        "logicalKey": entry.logical_key,
                        "contentHash": entry.content_hash,
                        "rowCount": entry.row_count,
                    }
                    for entry in table.sources
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


def _record_of(value: dict[str, Any]) -> ProjectionRecord:
    return ProjectionRecord(
        projection_id=value["projectionId"],
        form=value["form"],
        cache_dir=value.get("cacheDir"),
        lake=value.get("lake"),
        fingerprint=value["fingerprint"],
        indexes=tuple(ProjectionIndex(index["table"], tuple(index["columns"])) for index in value["indexes"]),
        tables=tuple(
            RecordedTable(
                requested=tuple(table["requested"]),
                sources=tuple(
                    RecordedSource(
                        entry["sourceId"],
                        entry["artifactId"],
                        entry["artifactType"],
                        entry["logicalKey"],
                        entry["contentHash"],
                        entry["rowCount"],
                    )
                    for entry in table["artifacts"]
                ),
                built=ProjectionTable(
                    table["name"], table["rowCount"], tuple(table["columns"]), tuple(table["indexes"])
                ),
                rows_hash=RowsHash.parse(table["rowsHash"]),
                fingerprint=table["fingerprint"],
                appended_rows=table["appendedRows"],
            )
            for table in value["tables"]
        ),
    )
