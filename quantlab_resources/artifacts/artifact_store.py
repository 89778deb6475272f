"""The artifact store: immutable Parquet files, their sidecars, and the manifest that makes them visible.

Publishing follows docs/reliability.md: files first, durable and checked; then one transaction, which is the moment of
publication. Whoever reads sees either all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import repeat
from typing import Self

import apsw
import pyarrow as pa

from quantlab_core.artifacts.artifact import (
    Artifact,
    ArtifactStatus,
    PublishMode,
    PublishRequest,
    PublishResult,
)
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.type_of_table import has_columns_of
from quantlab_core.clock import Clock
from quantlab_core.errors import ArtifactMissingError, ArtifactNotFoundError, ConflictError, SchemaError
from quantlab_core.experiments.experiment import ExperimentTransition
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue
from quantlab_resources.artifacts.changes.collection import check_not_collected, record_restoration
from quantlab_resources.artifacts.changes.experiment_journal import ExperimentJournal
from quantlab_resources.artifacts.files.local_artifact_files import LocalArtifactFiles
from quantlab_resources.artifacts.files.parquet_files import (
    decode,
    decode_in_parts,
    read_verified_bytes,
    with_schema_of,
    without_identity,
)
from quantlab_resources.artifacts.files.stored_tables import (
    PreparedTable,
    StoredFiles,
    is_whole,
    prepare,
    repair,
    store_files,
)
from quantlab_resources.artifacts.incoming_tables import registered_type
from quantlab_resources.artifacts.manifest import manifest_queries
from quantlab_resources.artifacts.manifest.manifest import Manifest
from quantlab_resources.artifacts.manifest.manifest_transaction import NewArtifact, Publication
from quantlab_resources.artifacts.upkeep.recovery import clear_leftovers
from quantlab_resources.artifacts.writers_lock import publishing
from quantlab_resources.lake_paths import LakePaths

WORTH_THREADS, THREADS = 8, 2
"""From so many tables on they are stored by so many threads."""


class ParquetArtifactStore(ArtifactCatalogue):
    """`quantlab_core.artifacts.artifact_store.ArtifactStore` over one lake.

    Questions that the manifest alone answers are `ArtifactCatalogue`'s. Cheap to make; nothing is opened before the
    first use, which raises LakeNotFoundError when there is no lake. Safe to share between threads and to take across a
    fork. ``files`` is where artifacts are kept: the local disk if not given.
    """

    def __init__(self, paths: LakePaths, *, clock: Clock, files: ArtifactFiles | None = None) -> None:
        files = LocalArtifactFiles(paths) if files is None else files
        super().__init__(Manifest(paths, clock=clock, files=files), files)
        self.paths = paths
        self.clock = clock
        self.journal = ExperimentJournal(self.manifest)
        self._has_cleared_leftovers = False

    @classmethod
    def create(cls, paths: LakePaths, *, clock: Clock, files: ArtifactFiles | None = None) -> Self:
        """The store of the lake at ``paths``, which `make` makes."""
        store = cls(paths, clock=clock, files=files)
        store.make()
        return store

    def make(self) -> list[str]:
        """Make the lake if it is not there; again, it changes nothing. Returns the names of what the manifest gained.

        Raises LakeNotFoundError where a lake of the earlier store is: only its adoption may make it one of ours.
        """
        self.manifest.check_not_of_earlier_store()
        self.files.create()
        return self.manifest.create()

    def publish(self, request: PublishRequest) -> PublishResult:
        """Store one table durably, or find that its content is already there; see the port."""
        return self.publish_many([request])[0]

    def publish_many(
        self, requests: Sequence[PublishRequest], *, transition: ExperimentTransition | None = None
    ) -> list[PublishResult]:
        """Publish all of them in one transaction, or none; a ``transition`` is journaled in the same transaction.

        Inputs may be artifacts of the same call. Raises as the port's ``publish``, and ConflictError when two requests
        put different content under one key.
        """
        prepared = [prepare(request) for request in requests]
        _check_one_content_per_key(prepared)
        with self.publishing():
            self._check_inputs(prepared)
            stored = self._store_all(prepared)
            self.files.make_durable(name for files in stored if files.byte_size for name in files.names)
            with self.manifest.writing() as transaction:
                outcomes = transaction.publish_all(
                    [
                        (NewArtifact(files.artifact, files.byte_size), _publication(table.request))
                        for files, table in zip(stored, prepared, strict=True)
                    ]
                )
                record_restoration(transaction, [outcome.artifact_id for outcome in outcomes if outcome.deduped])
                if transition is not None:
                    ids = {t.request.logical_key: o.artifact_id for t, o in zip(prepared, outcomes, strict=True)}
                    transaction.append_transition(transition, _outputs(transition, ids))
                artifacts = manifest_queries.get_many(transaction.connection, [o.artifact_id for o in outcomes])
        return [
            PublishResult(
                self.located(artifact),
                outcome.deduped,
                _mode(table, artifact, outcome.deduped),
                outcome.superseded_artifact_id,
            )
            for artifact, outcome, table in zip(artifacts, outcomes, prepared, strict=True)
            if artifact is not None
        ]

    def supersede(self, new_artifact_id: str, old_artifact_id: str, *, reason: str) -> None:
        """Make ``new`` stand in place of ``old``; under another key, ``old``'s key is left without a head.

        Raises ArtifactNotFoundError, and SupersedeError for another type, itself, a cycle, or one that is not active.
        """
        with self.publishing(), self.manifest.writing() as transaction:
            transaction.supersede(new_artifact_id, old_artifact_id, reason=reason)

    def tombstone(self, artifact_id: str, *, reason: str) -> None:
        """Withdraw an artifact: it stays readable and traceable but is no head and answers no publish."""
        with self.publishing(), self.manifest.writing() as transaction:
            transaction.tombstone(artifact_id, reason=reason)

    def read(self, artifact_id: str) -> pa.Table:
        """The artifact's table, after checking the stored bytes.

        It has exactly its type's schema, with the type's attributes as schema metadata, rows in the type's order. One
        of the earlier store with other columns than its type, or in another order of rows, comes as it is stored.
        Raises ArtifactNotFoundError, ArtifactDamagedError, ArtifactMissingError, StorageError.
        """
        artifact, data = self._verified(artifact_id)
        table = decode(data, origin=self.files.location(artifact.path_parquet))
        return _in_its_schema(table, registered_type(artifact.artifact_type, artifact.schema_version))

    def read_in_parts(self, artifact_id: str) -> Iterator[pa.Table]:
        """The same rows some ten thousand at a time, so that a large table is never in memory as a whole.

        All stored bytes are checked before the first part. Raises as `read`.
        """
        artifact, data = self._verified(artifact_id)
        spec = registered_type(artifact.artifact_type, artifact.schema_version)
        for part in decode_in_parts(data, origin=self.files.location(artifact.path_parquet)):
            yield _in_its_schema(part, spec)

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keep recovery away while files are brought in that no row names yet. Raises LakeNotFoundError."""
        self.manifest.check()
        if not self._has_cleared_leftovers:
            clear_leftovers(self)
            self._has_cleared_leftovers = True
        with publishing(self.paths):
            yield

    def _verified(self, artifact_id: str) -> tuple[Artifact, bytes]:
        """An artifact and its stored bytes, which are what was recorded."""
        with self.manifest.reading() as connection:
            artifact = manifest_queries.get(connection, artifact_id)
        try:
            return artifact, read_verified_bytes(self.files, artifact.path_parquet, artifact.file_hash)
        except ArtifactMissingError:
            with self.manifest.reading() as connection:
                check_not_collected(connection, artifact)
            raise

    def _store_all(self, prepared: Sequence[PreparedTable]) -> list[StoredFiles]:
        """The files of the prepared tables: those already there, checked and repaired, or new ones (``byte_size`` > 0).

        Many are stored by several threads: codec, hash and disk let go of the interpreter.
        """
        with self.manifest.reading() as connection:
            known = [_known(connection, table) for table in prepared]
        work = (self._store, prepared, known, repeat(self.clock.now()))
        if len(prepared) < WORTH_THREADS:
            return list(map(*work))
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(*work))

    def _store(self, prepared: PreparedTable, known: Artifact | None, now: datetime) -> StoredFiles:
        if known is None:
            return store_files(self.files, prepared, now)
        may_answer = known.status is not ArtifactStatus.TOMBSTONED or prepared.request.revive
        if may_answer and not is_whole(self.files, known):
            repair(self.files, prepared, known)
        return StoredFiles(known, 0)

    def _check_inputs(self, prepared: Sequence[PreparedTable]) -> None:
        """Refuse unknown inputs before anything is written; the transaction checks again."""
        own = {table.artifact_id for table in prepared}
        asked = {input_id for table in prepared for input_id in table.request.input_artifact_ids} - own
        if not asked:
            return
        with self.manifest.reading() as connection:
            unknown = manifest_queries.unknown_ids(connection, sorted(asked))
        if unknown:
            raise ArtifactNotFoundError(
                f"artifact not found: input {unknown[0]!r} was never published; nothing was published"
            )


def _known(connection: apsw.Connection, table: PreparedTable) -> Artifact | None:
    """The artifact that has this content under this key already."""
    spec, key = table.spec, table.request.logical_key
    return manifest_queries.find_content(connection, spec.name, spec.version, key, table.content_hash)


def _in_its_schema(table: pa.Table, spec: ArtifactType | None) -> pa.Table:
    if spec is None or (spec.is_lenient and not has_columns_of(table, spec)):
        return without_identity(table)
    try:
        return with_schema_of(table, spec)
    except SchemaError:
        if spec.is_lenient:
            return without_identity(table)
        raise


def _check_one_content_per_key(prepared: Sequence[PreparedTable]) -> None:
    contents: dict[tuple[str, str], str] = {}
    for table in prepared:
        key = (table.spec.name, table.request.logical_key)
        if contents.setdefault(key, table.content_hash) != table.content_hash:
            raise ConflictError(f"{key[0]} {key[1]}: two requests of one publish put different content under this key")


def _publication(request: PublishRequest) -> Publication:
    return Publication(
        writer=request.writer,
        run_id=request.run_id,
        params=request.params,
        input_artifact_ids=request.input_artifact_ids,
        tags=request.tags,
        supersede_reason=request.supersede_reason,
        as_of_sequence=request.as_of_sequence,
        revive=request.revive,
    )


def _outputs(transition: ExperimentTransition, ids: Mapping[str, str]) -> dict[str, str]:
    """The output ids that a transition names by logical key. Raises ConflictError for a key without one."""
    missing = [key for key in transition.output_keys.values() if key not in ids]
    if missing:
        raise ConflictError(
            f"experiment {transition.experiment_id}: the output {missing[0]} is not among what is published with it"
        )
    return {name: ids[key] for name, key in transition.output_keys.items()}


def _mode(table: PreparedTable, artifact: Artifact, deduped: bool) -> PublishMode | None:
    """``file_hash`` when the very bytes were there already, ``content_hash`` when it was the same content."""
    if not deduped:
        return None
    return "file_hash" if table.incoming_file_hash == artifact.file_hash else "content_hash"
