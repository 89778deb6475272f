"""Events that were written while the manifest had schema 2, brought into the present form as they are replayed.

They leave to the sidecars what an artifact is, and to the rows before them whether a change made a head and which
inputs descend from the artifact. So they are replayed one change at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import apsw

from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.timestamp_text import format_timestamp, parse_timestamp
from quantlab_core.errors import ArtifactMissingError, IntegrityError, StorageError
from quantlab_resources.artifacts.changes import artifact_rows, head_changes, publication_rows
from quantlab_resources.artifacts.changes.manifest_changes import REPLAYS, insert_event
from quantlab_resources.artifacts.events.event_files import Event
from quantlab_resources.artifacts.files.sidecar import is_intact, read_sidecar
from quantlab_resources.artifacts.manifest import manifest_queries


class Schema2Events:
    """Replays such events into a manifest that is being rebuilt."""

    def __init__(self, connection: apsw.Connection, files: ArtifactFiles) -> None:
        self._connection = connection
        self._files = files
        self._has_noted_sidecars = False

    def replay(self, event: Event) -> None:
        """Make all rows of one event. Raises IntegrityError when no sidecar describes an artifact that it published."""
        new = [
            change["artifact_id"]
            for change in event.changes
            if change["kind"] == publication_rows.KIND and not change["deduped"]
        ]
        for artifact_id in new:
            row = self._row(artifact_id)
            artifact_rows.replay_artifact(self._connection, row, seq=event.seq, at=event.at)
        published = {change["artifact_id"] for change in event.changes if change["kind"] == publication_rows.KIND}
        for change in event.changes:
            replay = REPLAYS[change["kind"]]
            replay(self._connection, self._completed(change, published), seq=event.seq, at=event.at)
        insert_event(self._connection, event.seq, event.at, event.sha256)

    def _completed(self, change: Mapping[str, Any], published: Collection[str]) -> Mapping[str, Any]:
        if change["kind"] == head_changes.KIND:
            return {**change, "head": self._head_after(change, published)}
        if change["kind"] == publication_rows.KIND:
            unlinked = publication_rows.descendants_among(
                self._connection, change["artifact_id"], change["inputs"], deduped=change["deduped"]
            )
            return {**change, "unlinked": unlinked}
        return change

    def _head_after(self, change: Mapping[str, Any], published: Collection[str]) -> str | None:
        """What was published is the head. What took another's place by hand is so only where that was, in its key."""
        new: str | None = change["new"]
        if new is None or new in published:
            return new
        head = manifest_queries.head_of(self._connection, change["artifact_type"], change["logical_key"])
        if head != change["old"]:
            return head
        artifact = manifest_queries.find(self._connection, new)
        return new if artifact is not None and artifact.logical_key == change["logical_key"] else None

    def _row(self, artifact_id: str) -> dict[str, Any]:
        self._note_sidecars()
        found = self._connection.execute(
            "SELECT name FROM temp.sidecars WHERE artifact_id = ?", (artifact_id,)
        ).fetchone()
        sidecar = None if found is None else read_sidecar(self._files, found[0])
        if sidecar is None:
            raise IntegrityError(f"no whole sidecar describes artifact {artifact_id}, which it published")
        identity = sidecar["identity"]
        size = "SELECT byte_size FROM temp.stored WHERE name = ?"
        return {
            **{key: sidecar[key] for key in ("artifact_id", "artifact_type", "schema_version", "logical_key")},
            **{key: identity[key] for key in ("file_hash", "content_hash", "row_count", "min_ts", "max_ts")},
            "status": "active",
            "path_parquet": sidecar["paths"]["parquet"],
            "path_sidecar": sidecar["paths"]["sidecar"],
            "created_at": format_timestamp(parse_timestamp(sidecar["created_at"])),
            "byte_size": self._connection.execute(size, (sidecar["paths"]["parquet"],)).get,
        }

    def _note_sidecars(self) -> None:
        """Fill two temporary tables, which SQLite keeps on disk: sizes by name, and names of whole sidecars."""
        if self._has_noted_sidecars:
            return
        self._has_noted_sidecars = True
        self._connection.execute(
            "CREATE TEMP TABLE stored (name TEXT PRIMARY KEY, byte_size INTEGER) WITHOUT ROWID;"
            " CREATE TEMP TABLE sidecars (artifact_id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID"
        )
        self._connection.executemany(
            "INSERT INTO temp.stored VALUES (?, ?)", ((file.name, file.byte_size) for file in self._files.list_files())
        )
        names = self._connection.execute(
            r"SELECT name FROM temp.stored WHERE name LIKE '%.json' AND name NOT LIKE '\_%' ESCAPE '\'"
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO temp.sidecars VALUES (?, ?)",
            ((sidecar["artifact_id"], name) for (name,) in names if (sidecar := self._whole_sidecar(name)) is not None),
        )

    def _whole_sidecar(self, name: str) -> dict[str, Any] | None:
        try:
            return read_sidecar(self._files, name) if is_intact(self._files.read(name)) else None
        except (ArtifactMissingError, StorageError):
            return None
