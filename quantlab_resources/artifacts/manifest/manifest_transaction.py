"""One manifest transaction: reads the present state under the write lock, refuses what is not allowed, records changes.

What a change is made of, in rows and in the event file, is known to the module of its kind (see `manifest_changes`).
`Manifest.writing` is the only place that makes one of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, Writer
from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.errors import ConflictError, HeadChangedError, InvalidInputError, SupersedeError
from quantlab_core.experiments.experiment import ExperimentTransition
from quantlab_resources.artifacts.changes import experiment_journal
from quantlab_resources.artifacts.changes.artifact_rows import record_artifact
from quantlab_resources.artifacts.changes.experiment_journal import JournalEntry
from quantlab_resources.artifacts.changes.head_changes import record_head_change
from quantlab_resources.artifacts.changes.manifest_changes import insert_event
from quantlab_resources.artifacts.changes.publication_rows import record_publication
from quantlab_resources.artifacts.changes.tombstones import record_revival, record_tombstone
from quantlab_resources.artifacts.events.event_files import discard_event, write_event
from quantlab_resources.artifacts.events.interrupted_event import next_number
from quantlab_resources.artifacts.manifest import manifest_queries


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """An artifact whose files are durable under their final names, with stored (relative) paths."""

    artifact: Artifact
    byte_size: int


@dataclass(frozen=True, slots=True)
class Publication:
    """What a run says about a publication of its; see `quantlab_core.artifacts.artifact.PublishRequest`."""

    writer: Writer
    run_id: str | None
    params: Mapping[str, Any]
    input_artifact_ids: Sequence[str]
    tags: Mapping[str, str]
    supersede_reason: str
    as_of_sequence: int | None = None
    revive: bool = False


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """What the manifest did with a publication."""

    artifact_id: str
    deduped: bool
    superseded_artifact_id: str | None


class ManifestTransaction:
    """Collects changes under the manifest's write lock; `commit` makes them and their event file durable together.

    ``at_least`` is the lowest number that its event may have.
    """

    def __init__(self, connection: apsw.Connection, events: Path, now: datetime, *, at_least: int = 1) -> None:
        self._connection = connection
        self._events = events
        self._at = format_timestamp(now)
        self._seq = max(next_number(connection), at_least)
        self._changes: list[dict[str, Any]] = []
        self._ordinal = 0

    @property
    def seq(self) -> int:
        """The number of this transaction's event."""
        return self._seq

    @property
    def at(self) -> str:
        """When it happens, as UTC text."""
        return self._at

    @property
    def connection(self) -> apsw.Connection:
        """For queries that must see the state under the lock."""
        return self._connection

    def next_ordinal(self) -> int:
        """The place of the next change within this transaction, from 1."""
        self._ordinal += 1
        return self._ordinal

    def note(self, kind: str, **values: Any) -> dict[str, Any]:
        """Put a change into the event file and return it, for the function that makes its rows."""
        change = {"kind": kind} | values
        self._changes.append(change)
        return change

    def publish_all(self, publications: Sequence[tuple[NewArtifact, Publication]]) -> list[PublishOutcome]:
        """Record all publications; inputs may be artifacts of the same call.

        Raises ConflictError for tombstoned content that is not to be revived and for other content under a used key of
        an append-only type, HeadChangedError, ArtifactNotFoundError for an unknown input.
        """
        outcomes = [self._publish(new, publication) for new, publication in publications]
        for outcome, (_, publication) in zip(outcomes, publications, strict=True):
            record_publication(self, outcome, publication)
        return outcomes

    def _publish(self, new: NewArtifact, publication: Publication) -> PublishOutcome:
        artifact = new.artifact
        type_, key = artifact.artifact_type, artifact.logical_key
        known = manifest_queries.find_content(
            self._connection, type_, artifact.schema_version, key, artifact.content_hash
        )
        old = manifest_queries.head_of(self._connection, type_, key)
        artifact_id = artifact.artifact_id if known is None else known.artifact_id
        is_active = known is not None and known.status is ArtifactStatus.ACTIVE
        if is_active and (old is None or old == artifact_id or self._have_equal_content(old, artifact_id)):
            return PublishOutcome(artifact_id, deduped=True, superseded_artifact_id=None)
        is_withdrawn = known is not None and known.status is ArtifactStatus.TOMBSTONED
        if is_withdrawn and not publication.revive:
            raise ConflictError(
                f"{type_} {key}: this content was withdrawn as artifact {artifact_id}; nothing was published; to"
                " publish it all the same, ask for its revival (--revive)"
            )
        if old is not None:
            self._refuse_a_second_content(artifact, publication)
        if known is None:
            record_artifact(self, new)
        if is_withdrawn:
            record_revival(self, artifact_id)
        reason = publication.supersede_reason if old else "first content under the key"
        if is_withdrawn and not old:
            reason = "withdrawn content published again"
        record_head_change(self, type_, key, new=artifact_id, old=old, head=artifact_id, reason=reason)
        return PublishOutcome(artifact_id, deduped=known is not None, superseded_artifact_id=old)

    def _have_equal_content(self, head: str, other: str) -> bool:
        """Whether the head of a key holds what another active artifact of it holds: the earlier store allowed that."""
        return bool(
            self._connection.execute(
                "SELECT count(*) FROM artifacts a JOIN artifacts b ON b.content_hash IN (a.content_hash, a.qlh1_hash)"
                " OR b.qlh1_hash IN (a.content_hash, a.qlh1_hash) WHERE a.artifact_id = ? AND b.artifact_id = ?",
                (head, other),
            ).get
        )

    def _refuse_a_second_content(self, artifact: Artifact, publication: Publication) -> None:
        """What was computed from an older view must not replace what another run has published meanwhile; and keys of
        append-only types take one content only."""
        from quantlab_core.artifacts.registry import find_artifact_type  # Arrow is not for programs that only ask

        spec = find_artifact_type(artifact.artifact_type, artifact.schema_version)
        if spec is not None and spec.append_only:
            raise ConflictError(
                f"{artifact.artifact_type} {artifact.logical_key} has other content already and its type is"
                " append-only; nothing was published, use another key"
            )
        if publication.as_of_sequence is None:
            return
        changed = self._connection.execute(
            "SELECT 1 FROM artifact_heads h WHERE h.artifact_type = ? AND h.logical_key = ? AND h.seq > ?"
            " AND NOT EXISTS (SELECT 1 FROM publications p WHERE p.seq = h.seq AND p.run_id = ?)",
            (artifact.artifact_type, artifact.logical_key, publication.as_of_sequence, publication.run_id),
        ).fetchone()
        if changed is not None:
            raise HeadChangedError(
                f"{artifact.artifact_type} {artifact.logical_key} was replaced by another run while this one was"
                " computing; nothing was published, run it again"
            )

    def supersede(self, new_artifact_id: str, old_artifact_id: str, *, reason: str) -> None:
        """Make ``new`` stand in place of ``old``.

        Raises ArtifactNotFoundError, SupersedeError where it is refused, InvalidInputError without a reason.
        """
        new = manifest_queries.get(self._connection, new_artifact_id)
        old = manifest_queries.get(self._connection, old_artifact_id)
        refusal = self._supersede_refusal(new, old)
        if refusal:
            raise SupersedeError(f"artifact {new.artifact_id} cannot supersede {old.artifact_id}: {refusal}")
        head = manifest_queries.head_of(self._connection, old.artifact_type, old.logical_key)
        if head == old.artifact_id:
            head = new.artifact_id if new.logical_key == old.logical_key else None
        record_head_change(
            self,
            old.artifact_type,
            old.logical_key,
            new=new.artifact_id,
            old=old.artifact_id,
            head=head,
            reason=_checked_reason(reason),
        )

    def _supersede_refusal(self, new: Artifact, old: Artifact) -> str | None:
        if new.artifact_id == old.artifact_id:
            return "an artifact cannot supersede itself"
        if new.artifact_type != old.artifact_type:
            return f"one is {new.artifact_type}, the other {old.artifact_type}"
        for artifact in (new, old):
            if artifact.status is ArtifactStatus.TOMBSTONED:
                return f"{artifact.artifact_id} was withdrawn"
        if manifest_queries.supersedes_transitively(self._connection, old.artifact_id, new.artifact_id):
            return "the other way round is already recorded; publish its content again to make it the head"
        if old.status is not ArtifactStatus.ACTIVE:
            return f"{old.artifact_id} is already superseded"
        if new.status is not ArtifactStatus.ACTIVE:
            return f"{new.artifact_id} is superseded; publish its content again to make it active"
        return None

    def tombstone(self, artifact_id: str, *, reason: str) -> None:
        """Withdraw an artifact. Withdrawing it again changes nothing. Raises ArtifactNotFoundError, InvalidInputError
        without a reason."""
        artifact = manifest_queries.get(self._connection, artifact_id)
        reason = _checked_reason(reason)
        if artifact.status is ArtifactStatus.TOMBSTONED:
            return
        record_tombstone(self, artifact_id, reason=reason)
        type_, key = artifact.artifact_type, artifact.logical_key
        if manifest_queries.head_of(self._connection, type_, key) == artifact_id:
            record_head_change(self, type_, key, new=None, old=artifact_id, head=None, reason=reason)

    def append_transition(self, transition: ExperimentTransition, outputs: Mapping[str, str]) -> JournalEntry:
        """Journal a change of an experiment's status; ``outputs`` maps output names to artifact ids.

        Raises IllegalTransitionError, ExperimentNotFoundError, ArtifactNotFoundError.
        """
        entry = experiment_journal.next_entry(self._connection, transition, outputs, seq=self._seq, at=self._at)
        experiment_journal.record_entry(self, entry)
        return entry

    def append_outputs(self, experiment_id: str, outputs: Mapping[str, str]) -> JournalEntry:
        """Journal further outputs of an experiment without changing its status."""
        entry = experiment_journal.outputs_entry(self._connection, experiment_id, outputs, seq=self._seq, at=self._at)
        experiment_journal.record_entry(self, entry)
        return entry

    def commit(self) -> None:
        """Make the event file durable, then the rows; a transaction without changes leaves nothing."""
        if not self._changes:
            self._connection.execute("ROLLBACK")
            return
        try:
            digest = write_event(self._events, self._seq, self._at, self._changes)
            insert_event(self._connection, self._seq, self._at, digest)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # the number is still ours: no other writer can have written this file
                discard_event(self._events, self._seq)
            raise


def _checked_reason(reason: str) -> str:
    """The reason without blanks around it. Raises InvalidInputError when nothing is left, or for what is no text."""
    words = reason.strip()
    if not words:
        raise InvalidInputError("a reason is needed: it stays in the history of the key; nothing was changed")
    try:
        words.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"the reason {words[:80]!r} is no valid text; nothing was changed") from None
    return words
