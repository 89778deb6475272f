"""What a rebuild can still do when events are lost: take the artifacts that only their sidecars describe.

Everything that is decided here is recorded in new events, so that the next rebuild gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import apsw

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, Writer
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.artifact_identity import artifact_id
from quantlab_core.artifacts.content_hash import PREFIX
from quantlab_core.artifacts.timestamp_text import format_timestamp, parse_timestamp
from quantlab_core.clock import Clock
from quantlab_core.errors import ArtifactMissingError
from quantlab_resources.artifacts.changes.artifact_rows import record_artifact
from quantlab_resources.artifacts.changes.collection import record_restoration
from quantlab_resources.artifacts.changes.head_changes import record_head_change
from quantlab_resources.artifacts.changes.losses import record_loss
from quantlab_resources.artifacts.changes.publication_rows import record_publication
from quantlab_resources.artifacts.files.sidecar import is_intact, read_sidecar
from quantlab_resources.artifacts.files.stored_bytes import hash_and_size
from quantlab_resources.artifacts.files.stored_tables import is_whole
from quantlab_resources.artifacts.manifest.manifest_queries import ARTIFACT_COLUMNS, artifact_of, unknown_ids
from quantlab_resources.artifacts.manifest.manifest_transaction import (
    ManifestTransaction,
    NewArtifact,
    Publication,
    PublishOutcome,
)

BATCH = 500
"""Artifacts of one event, so that memory does not grow with what is lost."""

_SALVAGED = "taken from its sidecar: the event that published it is lost"
_KEYS_WITHOUT_HEAD = """
SELECT a.artifact_type, a.logical_key, a.artifact_id FROM artifacts a
WHERE a.status <> 'tombstoned' AND a.published_seq IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM artifact_heads h WHERE h.artifact_type = a.artifact_type AND h.logical_key = a.logical_key
) AND NOT EXISTS (
    SELECT 1 FROM artifacts b WHERE b.artifact_type = a.artifact_type AND b.logical_key = a.logical_key
    AND b.status <> 'tombstoned' AND (b.created_at, b.artifact_id) > (a.created_at, a.artifact_id)
) AND coalesce((
    SELECT n.logical_key IS c.logical_key FROM head_changes c
    LEFT JOIN artifacts n ON n.artifact_id = c.new_artifact_id
    WHERE c.artifact_type = a.artifact_type AND c.logical_key = a.logical_key
    ORDER BY c.seq DESC, c.ordinal DESC LIMIT 1
), 1)
"""
# What was collected was no head then: the event that put another in its place is lost.
_HEADS_WITHOUT_BYTES = """
SELECT h.artifact_type, h.logical_key, h.artifact_id, b.artifact_id FROM artifact_heads h
JOIN artifacts b ON b.artifact_id = (
    SELECT a.artifact_id FROM artifacts a WHERE a.artifact_type = h.artifact_type AND a.logical_key = h.logical_key
    AND a.status <> 'tombstoned' AND a.artifact_id NOT IN (SELECT artifact_id FROM collections)
    ORDER BY a.created_at DESC, a.artifact_id DESC LIMIT 1
) WHERE h.artifact_id IN (SELECT artifact_id FROM collections)
"""
_LAST_MENTION = """
SELECT new_artifact_id = ?3 FROM head_changes
WHERE artifact_type = ?1 AND logical_key = ?2 AND (new_artifact_id = ?3 OR old_artifact_id = ?3)
ORDER BY seq DESC, ordinal DESC LIMIT 1
"""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was done about lost events.

    ``artifacts`` were taken from their sidecars, ``heads`` chosen for keys that had none. ``rows_left_out`` named
    artifacts that nothing describes. ``refused`` says which sidecars could not be used, ``of_earlier_store`` how many
    belong to the earlier store, which adoption takes over.
    """

    artifacts: int
    heads: int
    rows_left_out: int
    refused: tuple[str, ...]
    of_earlier_store: int


class Salvager:
    """Adds to a manifest that has been rebuilt from the events that are left; nobody else may use the lake."""

    def __init__(
        self, connection: apsw.Connection, events: Path, files: ArtifactFiles, clock: Clock, *, last_event: int
    ) -> None:
        self._connection = connection
        self._events = events
        self._files = files
        self._clock = clock
        self._last_event = last_event
        self._refused: list[str] = []
        self._of_earlier_store = 0

    def salvage(self, lost: Sequence[tuple[int, int]]) -> Salvage:
        """Take what sidecars describe, leave out what nothing does, and accept that the events ``lost`` are lost."""
        first = self._last_event + 1
        artifacts = 0
        for batch in _in_batches(self._unknown_artifacts()):
            with self._transaction() as transaction:
                for new in batch:
                    record_artifact(transaction, new)
            artifacts += len(batch)
        left_out = 0
        if lost:
            with self._transaction() as transaction:
                left_out = record_loss(transaction, lost)
        for rows in _in_batches(self._rows_since(first)):
            with self._transaction() as transaction:
                for identifier, sidecar in rows:
                    self._record_publication(transaction, identifier, sidecar)
        heads = 0
        while chosen := list(self._connection.execute(f"{_KEYS_WITHOUT_HEAD} LIMIT {BATCH}")):
            with self._transaction() as transaction:
                for type_, key, identifier in chosen:
                    record_head_change(
                        transaction, type_, key, new=identifier, old=None, head=identifier, reason=_SALVAGED
                    )
            heads += len(chosen)
        for restored in _in_batches(self._collected_and_there()):
            with self._transaction() as transaction:
                record_restoration(transaction, restored)
        for replaced in _in_batches(list(self._connection.execute(_HEADS_WITHOUT_BYTES))):
            with self._transaction() as transaction:
                for type_, key, old, identifier in replaced:
                    record_head_change(
                        transaction, type_, key, new=identifier, old=old, head=identifier, reason=_SALVAGED
                    )
            heads += len(replaced)
        return Salvage(artifacts, heads, left_out, tuple(self._refused), self._of_earlier_store)

    @contextmanager
    def _transaction(self) -> Iterator[ManifestTransaction]:
        self._connection.execute("BEGIN IMMEDIATE")
        transaction = ManifestTransaction(
            self._connection, self._events, self._clock.now(), at_least=self._last_event + 1
        )
        try:
            yield transaction
            transaction.commit()
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _unknown_artifacts(self) -> Iterator[NewArtifact]:
        """Artifacts of whole pairs of files that no row names, one at a time."""
        for file in self._files.list_files():
            if file.name.startswith("_") or not file.name.endswith(".json"):
                continue
            sidecar = read_sidecar(self._files, file.name)
            if sidecar is not None and not _content_hash(sidecar).startswith(PREFIX):
                self._of_earlier_store += 1
                continue
            location = self._files.location(file.name)
            if sidecar is None or not is_intact(self._files.read(file.name)):
                self._refused.append(f"{location} is damaged")
                continue
            identifier, file_hash = sidecar["artifact_id"], sidecar["identity"]["file_hash"]
            known = self._connection.execute(
                "SELECT 1 FROM artifacts WHERE artifact_id = ? OR file_hash = ?", (identifier, file_hash)
            ).fetchone()
            if known is not None:
                continue
            try:
                found, size = hash_and_size(self._files, sidecar["paths"]["parquet"])
            except ArtifactMissingError as error:
                self._refused.append(str(error))
                continue
            if "sha256:" + found != file_hash or sidecar["paths"]["sidecar"] != file.name:
                self._refused.append(f"{location} describes other bytes than those beside it")
                continue
            if artifact_id(*_key(sidecar), sidecar["identity"]["content_hash"]) != identifier:
                self._refused.append(f"{location} names an artifact id that does not follow from its content")
                continue
            yield NewArtifact(self._artifact(sidecar), size)

    def _artifact(self, sidecar: dict[str, Any]) -> Artifact:
        identity, key = sidecar["identity"], _key(sidecar)
        return Artifact(
            sidecar["artifact_id"],
            *key,
            status=self._status(sidecar["artifact_id"], key[0], key[2]),
            path_parquet=sidecar["paths"]["parquet"],
            path_sidecar=sidecar["paths"]["sidecar"],
            file_hash=identity["file_hash"],
            content_hash=identity["content_hash"],
            row_count=identity["row_count"],
            created_at=format_timestamp(parse_timestamp(sidecar["created_at"])),
            min_ts=identity["min_ts"],
            max_ts=identity["max_ts"],
        )

    def _status(self, identifier: str, artifact_type: str, logical_key: str) -> ArtifactStatus:
        """As later events that are left tell it; else it makes way for whatever is the head of its key."""
        if self._connection.execute("SELECT 1 FROM tombstones WHERE artifact_id = ?", (identifier,)).fetchone():
            return ArtifactStatus.TOMBSTONED
        mention = self._connection.execute(_LAST_MENTION, (artifact_type, logical_key, identifier)).fetchone()
        return ArtifactStatus.ACTIVE if mention == (1,) else ArtifactStatus.SUPERSEDED

    def _collected_and_there(self) -> Iterator[str]:
        """Artifacts whose bytes are back: the event that says so is lost, or the collection was interrupted."""
        rows = self._connection.execute(
            f"SELECT {ARTIFACT_COLUMNS} FROM artifacts a JOIN collections c ON c.artifact_id = a.artifact_id"  # noqa: S608
            " ORDER BY a.artifact_id"
        )
        for artifact in map(artifact_of, list(rows)):
            if is_whole(self._files, artifact):
                yield artifact.artifact_id

    def _rows_since(self, seq: int) -> Iterator[tuple[str, str]]:
        yield from self._connection.execute(
            "SELECT artifact_id, path_sidecar FROM artifacts WHERE published_seq >= ? ORDER BY rowid", (seq,)
        )

    def _record_publication(self, transaction: ManifestTransaction, identifier: str, sidecar_name: str) -> None:
        sidecar = read_sidecar(self._files, sidecar_name)
        if sidecar is None:
            return
        provenance = sidecar["provenance"]
        writer, git = provenance["writer"], provenance["git"]
        inputs = provenance["inputs"]
        gone = set(unknown_ids(self._connection, inputs))
        publication = Publication(
            writer=Writer(writer["name"], writer["version"], git["commit"], git["dirty"]),
            run_id=provenance["run_id"],
            params=provenance["params"],
            input_artifact_ids=[input_id for input_id in inputs if input_id not in gone],
            tags=sidecar["tags"],
            supersede_reason=_SALVAGED,
        )
        record_publication(
            transaction,
            PublishOutcome(identifier, deduped=False, superseded_artifact_id=None),
            publication,
            published_at=format_timestamp(parse_timestamp(sidecar["created_at"])),
        )


def _key(sidecar: dict[str, Any]) -> tuple[str, int, str]:
    return sidecar["artifact_type"], sidecar["schema_version"], sidecar["logical_key"]


def _content_hash(sidecar: dict[str, Any]) -> str:
    identity = sidecar.get("identity")
    return str(identity.get("content_hash")) if isinstance(identity, dict) else ""


def _in_batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
