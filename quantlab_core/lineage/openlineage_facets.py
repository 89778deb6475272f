"""Facets of the OpenLineage specification 2-0-2, as JSON objects, and the facets that quantlab adds.

A facet says who wrote it (``_producer``) and by which schema (``_schemaURL``). What OpenLineage has a facet for goes
there; what it has none for is in a facet of our own, whose name begins with ``quantlab_``.
"""

from __future__ import annotations

from typing import Any

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType, description_of

PRODUCER = "urn:quantlab:openlineage:1"
"""Who writes events, and in which form. It names no release: the same change gives the same bytes after an update."""
RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
DATASET_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent"

ARTIFACT, PUBLICATION = "quantlab_artifact", "quantlab_publication"
SUPERSESSION, LOG = "quantlab_supersession", "quantlab_log"
"""Facets of our own: which artifact a dataset is; its publication; what replaced what; which change of the manifest
says so."""

Facet = dict[str, Any]


def artifact_facet(artifact: Artifact, asset: str) -> Facet:
    """Which artifact of the lake a dataset is: all that never changes about it."""
    times = {"minTs": artifact.min_ts, "maxTs": artifact.max_ts}
    return _own_facet(
        "ArtifactDatasetFacet",
        artifactId=artifact.artifact_id,
        artifactType=artifact.artifact_type,
        schemaVersion=artifact.schema_version,
        logicalKey=artifact.logical_key,
        asset=asset,
        contentHash=artifact.content_hash,
        fileHash=artifact.file_hash,
        rowCount=artifact.row_count,
        createdAt=artifact.created_at,
        **{name: value for name, value in times.items() if value is not None},
    )


def publication_facet(*, ordinal: int, deduped: bool) -> Facet:
    """Which publication of its transaction it is, and whether the content was there before."""
    return _own_facet("PublicationOutputDatasetFacet", ordinal=ordinal, deduped=deduped)


def supersession_facet(**fields: Any) -> Facet:
    """What took the place of what, and why; fields without a value are left out."""
    return _own_facet("SupersessionDatasetFacet", **{name: v for name, v in fields.items() if v is not None})


def log_facet(**fields: Any) -> Facet:
    """Which change of the manifest an event tells of, and who published."""
    return _own_facet("LogFacet", **{name: v for name, v in fields.items() if v is not None})


def version_facet(artifact: Artifact) -> Facet:
    """The version of a dataset is the content hash."""
    return _facet("1-0-1", "DatasetVersionDatasetFacet", datasetVersion=artifact.content_hash)


def schema_facet(spec: ArtifactType) -> Facet:
    """The columns, with Arrow's names of their types."""
    fields = [
        {"name": field.name, "type": str(field.type), "description": description_of(field)} for field in spec.schema
    ]
    return _facet("1-2-0", "SchemaDatasetFacet", fields=fields)


def documentation_facet(spec: ArtifactType) -> Facet:
    """What the rows of such an artifact mean."""
    return _facet("1-1-0", "DocumentationDatasetFacet", description=spec.doc)


def lifecycle_facet(change: str) -> Facet:
    """CREATE, OVERWRITE or DROP."""
    return _facet("1-0-1", "LifecycleStateChangeDatasetFacet", lifecycleStateChange=change)


def output_statistics_facet(*, row_count: int, byte_size: int) -> Facet:
    """How much was written."""
    return _facet("1-0-2", "OutputStatisticsOutputDatasetFacet", rowCount=row_count, size=byte_size, fileCount=1)


def parent_facet(run_id: str, *, namespace: str, job: str) -> Facet:
    """The run that this one was a part of."""
    return _facet("1-2-0", "ParentRunFacet", run={"runId": run_id}, job={"namespace": namespace, "name": job})


def processing_engine_facet(name: str, version: str) -> Facet:
    """The program that published, in its release at that time."""
    return _facet("1-1-1", "ProcessingEngineRunFacet", version=version, name=name)


def job_type_facet(job_type: str) -> Facet:
    """A finite job of quantlab: an asset that was materialized, or an adoption."""
    return _facet("2-0-4", "JobTypeJobFacet", processingType="BATCH", integration="QUANTLAB", jobType=job_type)


def present(**named: Facet | None) -> dict[str, Facet]:
    """The facets that there are, by name."""
    return {name: facet for name, facet in named.items() if facet is not None}


def _facet(version: str, name: str, /, **fields: Any) -> Facet:
    url = f"https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **fields}


def _own_facet(name: str, /, **fields: Any) -> Facet:
    return {"_producer": PRODUCER, "_schemaURL": f"{PRODUCER}#/$defs/{name}", **fields}
