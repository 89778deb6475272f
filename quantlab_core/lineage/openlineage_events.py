"""Transactions of the manifest as OpenLineage events: exactly what was published, from exactly what.

OpenLineage says of a run that all its outputs came from all its inputs. So a run is what one transaction published of
one asset from the very same inputs: then every pair of input and output of a run is an edge of the manifest, and every
edge is a pair. What changes a dataset without a run (something is superseded by hand or withdrawn) is an event about
the dataset alone.

Everything follows from the transaction: the same one gives the same events, whenever they are made.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.registry import find_artifact_type, owning_asset
from quantlab_core.errors import LogicalKeyError
from quantlab_core.lineage import openlineage_facets as of
from quantlab_core.lineage.logged_transaction import (
    ARTIFACT,
    HEAD,
    REVIVAL,
    TOMBSTONE,
    LoggedPublication,
    LoggedTransaction,
    publications_of,
)

EVENT_NAMESPACE = uuid.UUID("0d3b1f52-58cf-5b0e-8f0a-5a4f4f2f6b11")
MOST_OUTPUTS = 500
"""So many outputs go in one event: an adoption takes over thousands of artifacts at once."""
PARENT_JOB = "dagster"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LakeIdentity:
    """``lake`` tells one history of changes from every other; ``namespace`` is what receivers show for it."""

    lake: str
    namespace: str


def events_of(transaction: LoggedTransaction, identity: LakeIdentity) -> list[Event]:
    """The events of one transaction, in an order that never changes; none where nothing of it is lineage."""
    return _Events(transaction, identity).all()


def asset_of(artifact: Artifact) -> str:
    """The asset that an artifact belongs to; what no asset owns goes by the name of its type."""
    spec = _spec(artifact)
    if spec is None:
        return artifact.artifact_type
    try:
        return owning_asset(spec, artifact.logical_key)
    except (LogicalKeyError, KeyError):
        return artifact.artifact_type


def dataset_name(artifact: Artifact) -> str:
    """Asset and logical key: ``alerts/day=2025-05-01/chain=solana``. Artifacts that follow each other share it."""
    return f"{asset_of(artifact)}/{artifact.logical_key}"


def _spec(artifact: Artifact) -> ArtifactType | None:
    return find_artifact_type(artifact.artifact_type, artifact.schema_version)


class _Events:
    def __init__(self, transaction: LoggedTransaction, identity: LakeIdentity) -> None:
        self._transaction = transaction
        self._identity = identity
        self._new = {change["artifact_id"]: change for change in transaction.of_kind(ARTIFACT)}
        self._revived = {change["artifact_id"] for change in transaction.of_kind(REVIVAL)}
        self._head_changes = {change["new"]: change for change in transaction.of_kind(HEAD) if change["new"]}

    def all(self) -> list[Event]:
        """Runs first, then what was changed by hand, each with its place among them."""
        events = [*self._runs(), *self._changes_by_hand()]
        for part, event in enumerate(events, start=1):
            self._place(event, part, len(events))
        return events

    def _place(self, event: Event, part: int, parts: int) -> None:
        place = {
            "lake": self._identity.lake,
            "sequence": self._transaction.sequence,
            "part": part,
            "parts": parts,
            "sha256": self._transaction.sha256,
        }
        holder = event["run"] if "run" in event else event["dataset"]
        said = holder["facets"].pop(of.LOG, {})
        holder["facets"][of.LOG] = of.log_facet(**place) | said
        if "run" in event:
            name = f"{self._identity.lake}/{self._transaction.sequence}/{self._transaction.sha256}/{part}"
            event["run"]["runId"] = str(uuid.uuid5(EVENT_NAMESPACE, name))

    def _runs(self) -> Iterator[Event]:
        groups: dict[tuple[Any, ...], list[LoggedPublication]] = {}
        for publication in publications_of(self._transaction):
            asset = asset_of(self._transaction.artifacts[publication.artifact_id])
            said = (publication.input_ids, publication.run_id, publication.writer, publication.at)
            groups.setdefault((asset, *said), []).append(publication)
        for (asset, *_), publications in groups.items():
            outputs = iter(publications)
            while some := tuple(islice(outputs, MOST_OUTPUTS)):
                yield self._run(asset, some)

    def _run(self, asset: str, publications: tuple[LoggedPublication, ...]) -> Event:
        first = publications[0]
        artifacts = self._transaction.artifacts
        return {
            "eventTime": first.at,
            "eventType": "COMPLETE",
            "run": {"runId": "", "facets": self._run_facets(first)},
            "job": {
                "namespace": self._identity.namespace,
                "name": asset,
                "facets": {"jobType": of.job_type_facet("ADOPTION" if first.is_adoption else "ASSET")},
            },
            "inputs": [self._named(artifacts[input_id]) for input_id in first.input_ids],
            "outputs": [self._output(publication) for publication in publications],
            "producer": of.PRODUCER,
            "schemaURL": of.RUN_EVENT,
        }

    def _run_facets(self, publication: LoggedPublication) -> dict[str, of.Facet]:
        writer = publication.writer
        if writer is None:
            return {of.LOG: of.log_facet(kind="adoption")}
        said = of.log_facet(
            kind="publication",
            dagsterRunId=publication.run_id,
            writer=writer.name,
            writerVersion=writer.version,
            gitCommit=writer.git_commit,
            gitDirty=writer.git_dirty,
        )
        return of.present(
            parent=self._parent(publication.run_id),
            processing_engine=of.processing_engine_facet("quantlab", writer.version),
            **{of.LOG: said},
        )

    def _parent(self, run_id: str | None) -> of.Facet | None:
        """The Dagster run; ids of runs that are no UUIDs (of a script, say) are in our own facet only."""
        try:
            parent = str(uuid.UUID(run_id or ""))
        except ValueError:
            return None
        return of.parent_facet(parent, namespace=self._identity.namespace, job=PARENT_JOB)

    def _output(self, publication: LoggedPublication) -> Event:
        artifact = self._transaction.artifacts[publication.artifact_id]
        new, spec = self._new.get(artifact.artifact_id), _spec(artifact)
        is_described = spec is not None and not spec.is_lenient
        dataset = self._named(
            artifact,
            schema=of.schema_facet(spec) if spec is not None and is_described else None,
            documentation=of.documentation_facet(spec) if spec is not None else None,
            **self._taking_the_place(artifact),
        )
        written = None
        if new is not None:
            written = of.output_statistics_facet(row_count=artifact.row_count, byte_size=new["byte_size"])
        recorded = of.publication_facet(ordinal=publication.ordinal, deduped=publication.deduped)
        return dataset | {"outputFacets": of.present(outputStatistics=written, **{of.PUBLICATION: recorded})}

    def _taking_the_place(self, artifact: Artifact) -> dict[str, of.Facet]:
        """That it became the head of its key, and instead of what; the first publication of it in a transaction."""
        change = self._head_changes.pop(artifact.artifact_id, None)
        if change is None:
            return {}
        is_revived = artifact.artifact_id in self._revived
        replaced = change["old"] is not None
        supersession = of.supersession_facet(
            change="superseded" if replaced else "revived",
            supersedesArtifactId=change["old"],
            revived=is_revived or None,
            reason=change["reason"],
        )
        return of.present(
            lifecycleStateChange=of.lifecycle_facet("OVERWRITE" if replaced else "CREATE"),
            **{of.SUPERSESSION: supersession if replaced or is_revived else None},
        )

    def _changes_by_hand(self) -> Iterator[Event]:
        artifacts = self._transaction.artifacts
        for change in self._head_changes.values():
            if change["old"] is None:
                continue
            new, old = artifacts[change["new"]], artifacts[change["old"]]
            reason = change["reason"]
            yield self._about(
                new,
                "OVERWRITE",
                of.supersession_facet(change="superseded", supersedesArtifactId=old.artifact_id, reason=reason),
            )
            if dataset_name(new) != dataset_name(old):
                yield self._about(
                    old,
                    "DROP",
                    of.supersession_facet(change="superseded", supersededByArtifactId=new.artifact_id, reason=reason),
                )
        heads = {change["old"] for change in self._transaction.of_kind(HEAD) if change["new"] is None}
        for change in self._transaction.of_kind(TOMBSTONE):
            facet = of.supersession_facet(change="withdrawn", reason=change["reason"])
            is_head = change["artifact_id"] in heads
            yield self._about(artifacts[change["artifact_id"]], "DROP" if is_head else None, facet)

    def _about(self, artifact: Artifact, lifecycle: str | None, supersession: of.Facet) -> Event:
        changed = None if lifecycle is None else of.lifecycle_facet(lifecycle)
        return {
            "eventTime": self._transaction.at,
            "dataset": self._named(artifact, lifecycleStateChange=changed, **{of.SUPERSESSION: supersession}),
            "producer": of.PRODUCER,
            "schemaURL": of.DATASET_EVENT,
        }

    def _named(self, artifact: Artifact, **more: of.Facet | None) -> Event:
        return {
            "namespace": self._identity.namespace,
            "name": dataset_name(artifact),
            "facets": {
                "version": of.version_facet(artifact),
                of.ARTIFACT: of.artifact_facet(artifact, asset_of(artifact)),
                **of.present(**more),
            },
        }
