"""What every program of JSON operations does with a request: find the operation and the lake, answer, let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from quantlab_cli.json_request import JsonRequest
from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_core.errors import InvalidInputError
from quantlab_resources.lab import Lab

Operation = Callable[[Lab, JsonRequest], Any]


def answer_with(
    operations: Mapping[str, Operation], document: Mapping[str, Any], lab_of: Callable[[JsonRequest], Lab]
) -> Any:
    """The answer to one request. Raises what the operation raises, InvalidInputError for a request that is none."""
    request = JsonRequest(document)
    name = request.text("operation")
    operation = operations.get(name)
    if operation is None:
        raise InvalidInputError(f"unknown operation {name[:80]!a}; there are {', '.join(operations)}")
    lab = lab_of(request)
    try:
        return operation(lab, request)
    finally:
        lab.close()


def health_check(lab: Lab, _request: JsonRequest) -> dict[str, Any]:
    """Whether the manifest can be used; why not is part of the answer, not an error."""
    try:
        lab.catalogue.list_artifacts(ArtifactFilter(limit=1))
    except Exception as error:
        return {"available": False, "error": " ".join(str(error).split())}
    return {"available": True}
