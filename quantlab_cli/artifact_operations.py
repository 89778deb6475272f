"""The operations of `artifact_store_ops`: each takes the request's fields and returns what is written as JSON.

Names, fields and answers are the requirements'. Arrow is loaded by what publishes, never by what only asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quantlab_cli.json_answer import Operation, answer_with, health_check
from quantlab_cli.json_request import JsonRequest
from quantlab_cli.json_shapes import Json, artifact_json, lineage_json, publish_json
from quantlab_core.artifacts.artifact import ArtifactFilter, ArtifactStatus
from quantlab_core.errors import InvalidInputError
from quantlab_resources.lab import Lab
from quantlab_resources.lake_paths import LakePaths

DEFAULT_LIMIT = 100
MAX_LIMIT = 100_000
"""Longest list of one answer, about 60 MB: whoever wants more narrows the filter."""

_ALL_DEPTHS = 100_000
_NO_REASON = "no reason given"


def answer(document: Mapping[str, Any]) -> Any:
    """The answer to one request. Raises what the operation raises, InvalidInputError for a request that is none."""
    return answer_with(OPERATIONS, document, _lab)


def get_artifact(lab: Lab, request: JsonRequest) -> Json:
    """``Artifact``."""
    return artifact_json(lab.catalogue.get_artifact(request.text("artifact_id")))


def get_artifacts_batch(lab: Lab, request: JsonRequest) -> list[Json | None]:
    """``Artifact`` or null for each id, in the order of the ids."""
    found = lab.catalogue.get_artifacts(request.texts("artifact_ids"))
    return [None if artifact is None else artifact_json(artifact) for artifact in found]


def list_artifacts(lab: Lab, request: JsonRequest) -> list[Json] | Json:
    """``Artifact[]``, newest first; with ``with_cut_flag`` an object that also says whether the limit cut it."""
    found = lab.catalogue.list_artifacts(_filter(JsonRequest(request.mapping("filter", default={}), "the filter")))
    artifacts = [artifact_json(artifact) for artifact in found.artifacts]
    if request.flag("with_cut_flag", default=False):
        return {"artifacts": artifacts, "isCut": found.is_cut}
    return artifacts


def find_by_logical_key(lab: Lab, request: JsonRequest) -> list[Json]:
    """``Artifact[]``, newest first."""
    found = lab.catalogue.find_by_logical_key(request.text("artifact_type"), request.text("logical_key"))
    return [artifact_json(artifact) for artifact in found]


def publish_artifact(lab: Lab, request: JsonRequest) -> Json:
    """``PublishArtifactResult``. Makes the lake where there is none, as the earlier store did."""
    from quantlab_core.artifacts.artifact import PublishRequest, Writer

    publication = PublishRequest(
        artifact_type=request.text("artifact_type"),
        schema_version=request.integer("schema_version"),
        logical_key=request.text("logical_key"),
        data=Path(request.path("data_path")),
        writer=Writer(
            name=request.text("writer_name"),
            version=request.text("writer_version"),
            git_commit=request.text("git_commit"),
            git_dirty=request.flag("git_dirty"),
        ),
        tags=request.text_mapping("tags", default={}),
        input_artifact_ids=request.texts("input_artifact_ids", default=[]),
        params=request.mapping("params", default={}),
        filename_hint=request.text("filename_hint", default=None),
        revive=request.flag("revive", default=False),
    )
    if not lab.paths.manifest_db.exists():
        lab.make_lake()
    return publish_json(lab.artifacts.publish(publication))


def get_lineage(lab: Lab, request: JsonRequest) -> Json:
    """``ArtifactLineage``, one step deep unless ``depth`` says otherwise."""
    return lineage_json(lab.catalogue.get_lineage(request.text("artifact_id"), _depth(request)))


def get_downstream(lab: Lab, request: JsonRequest) -> list[Json]:
    """``Artifact[]``, nearest first, one step deep unless ``depth`` says otherwise."""
    found = lab.catalogue.get_downstream(request.text("artifact_id"), _depth(request))
    return [artifact_json(artifact) for artifact in found]


def supersede(lab: Lab, request: JsonRequest) -> Json:
    """``{"success": true}``; anything else is an error."""
    new, old = request.text("new_artifact_id"), request.text("old_artifact_id")
    lab.artifacts.supersede(new, old, reason=request.text("reason", default=_NO_REASON))
    return {"success": True}


def tombstone(lab: Lab, request: JsonRequest) -> Json:
    """``{"success": true}``; anything else is an error."""
    lab.artifacts.tombstone(request.text("artifact_id"), reason=request.text("reason"))
    return {"success": True}


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (
        get_artifact,
        get_artifacts_batch,
        list_artifacts,
        find_by_logical_key,
        publish_artifact,
        get_lineage,
        get_downstream,
        supersede,
        tombstone,
        health_check,
    )
}


def _lab(request: JsonRequest) -> Lab:
    """The lab of the lake that the request names by its manifest, else of the one that the environment names."""
    manifest_db = request.path("manifest_db", "db_path", default=None)
    artifacts_root = request.path("artifacts_root", default=None)
    if manifest_db is None and artifacts_root is None:
        return Lab()
    return Lab(paths=LakePaths.of_manifest(manifest_db or Lab().paths.manifest_db, artifacts_root))


def _filter(given: JsonRequest) -> ArtifactFilter:
    """Empty text counts as not given, as it did in the earlier store."""
    given.check_names("artifact_type", "status", "tags", "min_created_at", "max_created_at", "limit")
    status = given.text("status", default=None) or None
    if status is not None and status not in list(ArtifactStatus):
        raise InvalidInputError(f"the filter: status {status[:80]!a} is none of {', '.join(ArtifactStatus)}")
    limit = given.integer("limit", default=DEFAULT_LIMIT)
    if not 0 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"the filter: a limit of {limit} is not between 0 and {MAX_LIMIT}")
    return ArtifactFilter(
        artifact_type=given.text("artifact_type", default=None) or None,
        status=None if status is None else ArtifactStatus(status),
        tags=given.text_mapping("tags", default={}),
        min_created_at=given.text("min_created_at", default=None) or None,
        max_created_at=given.text("max_created_at", default=None) or None,
        limit=limit,
    )


def _depth(request: JsonRequest) -> int | None:
    if request.value("depth") == "all":
        return None
    depth = request.integer("depth", default=1)
    if depth < 1:
        raise InvalidInputError(f'a depth of {depth} makes no sense; give 1 or more, or "all"')
    return None if depth >= _ALL_DEPTHS else depth
