"""What a receiver knows from the events that it was sent, and what the manifest says, in the same form."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.clock import Clock
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue
from quantlab_resources.lake_paths import LakePaths
from quantlab_resources.openlineage.delivery_positions import DeliveryPositions
from quantlab_resources.openlineage.json_lines_file import JsonLinesFile
from quantlab_resources.openlineage.lineage_outbox import LineageOutbox
from quantlab_resources.openlineage.send_lineage import LineageReport, send_lineage
from quantlab_tests.resources.artifacts.lakes import HandClock

Event = dict[str, Any]
Identity = tuple[str, str, int, str, str, str, int]
"""Artifact id, type, schema version, logical key, content hash, file hash, rows."""


@dataclass(frozen=True, order=True)
class Published:
    """One publication: of what (with its whole identity), whether it was new, by which run, from what."""

    artifact: Identity
    deduped: bool
    run_id: str
    at: str
    inputs: tuple[Identity, ...]


def outbox_of(store: ArtifactCatalogue, paths: LakePaths, namespace: str | None = None) -> LineageOutbox:
    return LineageOutbox(store.manifest, paths.events, namespace=namespace)


def positions_of(paths: LakePaths, clock: Clock | None = None) -> DeliveryPositions:
    return DeliveryPositions(paths.lineage_positions, clock=clock or HandClock())


def send_to_file(store: ArtifactCatalogue, paths: LakePaths, file: Path, **how: Any) -> LineageReport:
    return send_lineage(outbox_of(store, paths), JsonLinesFile(file), positions_of(paths), **how)


def events_in(file: Path) -> list[Event]:
    """Every line of the file, of which none may be unfinished."""
    data = file.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def waiting_events(store: ArtifactCatalogue, paths: LakePaths) -> list[Event]:
    """All events of the lake, as they would be sent to somebody new."""
    return [json.loads(line) for transaction in outbox_of(store, paths).waiting(None) for line in transaction.lines]


def received(events: Iterable[Event]) -> Counter[Published]:
    """The publications that the events tell of; adoptions are not among them."""
    return Counter(
        Published(
            artifact=_told_identity(output),
            deduped=output["outputFacets"]["quantlab_publication"]["deduped"],
            run_id=str(_log(event).get("dagsterRunId")),
            at=event["eventTime"],
            inputs=tuple(sorted(map(_told_identity, event["inputs"]))),
        )
        for event in events
        if "run" in event and _log(event)["kind"] == "publication"
        for output in event["outputs"]
    )


def recorded(store: ArtifactCatalogue) -> Counter[Published]:
    """The publications of the manifest."""
    return Counter(
        Published(
            artifact=_identity(store.get_artifact(publication.artifact_id)),
            deduped=publication.deduped,
            run_id=str(publication.run_id),
            at=publication.at,
            inputs=tuple(sorted(_identity(store.get_artifact(i)) for i in publication.input_artifact_ids)),
        )
        for publication in store.publications()
    )


def edges(events: Iterable[Event]) -> Iterator[tuple[str, str]]:
    """(input id, output id) of every pair that the events claim."""
    for event in events:
        for output in event.get("outputs", ()):
            for taken in event["inputs"]:
                yield _told_identity(taken)[0], _told_identity(output)[0]


def keyed_by_run(events: Iterable[Event]) -> list[Event]:
    """What a receiver keeps that knows runs by their id and events about datasets by their bytes."""
    kept: dict[str, Event] = {}
    for event in events:
        key = event["run"]["runId"] if "run" in event else json.dumps(event)
        assert kept.setdefault(key, event) == event, "one run id, two different events"
    return list(kept.values())


def _log(event: Event) -> dict[str, Any]:
    facet: dict[str, Any] = event["run"]["facets"]["quantlab_log"]
    return facet


def _told_identity(dataset: dict[str, Any]) -> Identity:
    told = dataset["facets"]["quantlab_artifact"]
    assert dataset["facets"]["version"]["datasetVersion"] == told["contentHash"]
    assert dataset["name"] == f"{told['asset']}/{told['logicalKey']}"
    names = ("artifactId", "artifactType", "schemaVersion", "logicalKey", "contentHash", "fileHash", "rowCount")
    return tuple(told[name] for name in names)  # type: ignore[return-value]


def _identity(a: Artifact) -> Identity:
    return (
        a.artifact_id, a.artifact_type, a.schema_version, a.logical_key, a.content_hash, a.file_hash, a.row_count,
    )  # fmt: skip
