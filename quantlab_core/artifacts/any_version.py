"""Artifacts of any schema version, seen as the newest: what every consumer that is not about one version goes through.

A lake may hold versions side by side: artifacts of the earlier store were adopted unchanged, ours are of a later one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.registry import artifact_type, find_artifact_type
from quantlab_core.artifacts.upcast import upcast
from quantlab_core.errors import LogicalKeyError


def newest_type_of(artifact: Artifact) -> ArtifactType | None:
    """The specification that `read_newest` brings the artifact to; None when its own is not registered."""
    spec = find_artifact_type(artifact.artifact_type, artifact.schema_version)
    while spec is not None and spec.upcast is not None:
        spec = artifact_type(spec.name, spec.version + 1)
    return spec


def key_parts_of(artifact: Artifact) -> dict[str, str] | None:
    """The parts of the artifact's logical key; None when its type is not registered or its key not of the type.

    Earlier stores took any text for a key, so such artifacts exist: whoever looks through many leaves them out.
    """
    spec = find_artifact_type(artifact.artifact_type, artifact.schema_version)
    try:
        return None if spec is None else parse_key(spec, artifact.logical_key)
    except LogicalKeyError:
        return None


def read_newest(store: ArtifactStore, artifact: Artifact) -> pa.Table:
    """The artifact's table, verified, in the newest schema version of its type.

    Raises what `ArtifactStore.read` raises, and SchemaError when a value cannot be said in the newest version.
    """
    return upcast(store.read(artifact.artifact_id), artifact)


def read_newest_in_parts(store: ArtifactStore, artifact: Artifact) -> Iterator[pa.Table]:
    """The same rows in parts, as `ArtifactStore.read_in_parts`; an artifact of an earlier version comes as a whole."""
    spec = newest_type_of(artifact)
    if spec is None or spec.version == artifact.schema_version:
        yield from store.read_in_parts(artifact.artifact_id)
    else:
        yield read_newest(store, artifact)
