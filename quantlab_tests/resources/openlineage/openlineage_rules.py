"""What the OpenLineage specification 2-0-2 asks of an event, written out as rules."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
FACET_URL = re.compile(r"https://openlineage\.io/spec/facets/(\d+-\d+-\d+)/(\w+)\.json#/\$defs/\2")
STANDARD = {
    "parent": ("ParentRunFacet", "1-2-0", {"run", "job"}),
    "processing_engine": ("ProcessingEngineRunFacet", "1-1-1", {"version"}),
    "jobType": ("JobTypeJobFacet", "2-0-4", {"processingType", "integration"}),
    "schema": ("SchemaDatasetFacet", "1-2-0", {"fields"}),
    "version": ("DatasetVersionDatasetFacet", "1-0-1", {"datasetVersion"}),
    "documentation": ("DocumentationDatasetFacet", "1-1-0", {"description"}),
    "lifecycleStateChange": ("LifecycleStateChangeDatasetFacet", "1-0-1", {"lifecycleStateChange"}),
    "outputStatistics": ("OutputStatisticsOutputDatasetFacet", "1-0-2", set[str]()),
}
"""Name of a facet → its schema, the version of that, and the fields that it requires."""
LIFECYCLES = {"ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE"}


def breaches(event: dict[str, Any]) -> list[str]:
    """What of the specification the event breaks."""
    return list(_breaches(event))


def _breaches(event: dict[str, Any]) -> Iterator[str]:
    if datetime.fromisoformat(event["eventTime"]).tzinfo is None:
        yield "eventTime has no zone"
    yield from _not_a_uri("producer", event)
    if "dataset" in event:
        yield from _wrong_schema(event, "DatasetEvent")
        if {"run", "job"} & event.keys():
            yield "an event about a dataset has a run or a job"
        yield from _in_dataset(event["dataset"])
        return
    yield from _wrong_schema(event, "RunEvent")
    if event["eventType"] not in {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}:
        yield "eventType"
    if str(uuid.UUID(event["run"]["runId"])) != event["run"]["runId"]:
        yield "runId is no UUID"
    yield from _in_facets(event["run"].get("facets", {}))
    yield from _unnamed(event["job"])
    yield from _in_facets(event["job"].get("facets", {}))
    for dataset in (*event["inputs"], *event["outputs"]):
        yield from _in_dataset(dataset)
    if any("outputFacets" in dataset for dataset in event["inputs"]):
        yield "an input has facets of outputs"


def _in_dataset(dataset: dict[str, Any]) -> Iterator[str]:
    yield from _unnamed(dataset)
    yield from _in_facets(dataset.get("facets", {}))
    yield from _in_facets(dataset.get("outputFacets", {}))


def _unnamed(thing: dict[str, Any]) -> Iterator[str]:
    for part in ("namespace", "name"):
        if not isinstance(thing.get(part), str) or not thing[part]:
            yield f"no {part} in {thing}"


def _in_facets(facets: dict[str, Any]) -> Iterator[str]:
    for name, facet in facets.items():
        yield from _not_a_uri("_producer", facet)
        yield from _not_a_uri("_schemaURL", facet)
        if name.startswith("quantlab_"):
            continue
        schema, version, required = STANDARD[name]
        found = FACET_URL.fullmatch(facet["_schemaURL"])
        if found is None or found.groups() != (version, schema):
            yield f"{name} has the schema {facet['_schemaURL']}"
        if required - facet.keys():
            yield f"{name} lacks {required - facet.keys()}"
        if name == "lifecycleStateChange" and facet[name] not in LIFECYCLES:
            yield f"{facet[name]} is no change of a lifecycle"
        if name == "schema" and not all(isinstance(field["name"], str) for field in facet["fields"]):
            yield "a field has no name"


def _wrong_schema(event: dict[str, Any], kind: str) -> Iterator[str]:
    if event["schemaURL"] != SPEC + kind:
        yield f"schemaURL is {event['schemaURL']}"


def _not_a_uri(field: str, thing: dict[str, Any]) -> Iterator[str]:
    if not urlsplit(thing.get(field, "")).scheme:
        yield f"{field} is no URI: {thing.get(field)}"
