"""What the running code has beyond its commit, kept in the lake where somebody asks for it."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.experiments.artifact_types import CODE_PATCH
from quantlab_resources.lab import Lab
from quantlab_resources.version import QUANTLAB_VERSION


def keep_patch(lab: Lab) -> str | None:
    """The id of the artifact that holds the patch, published if it was not there; None where there is no patch."""
    version, patch = lab.code_provenance.code_version(), lab.code_provenance.code_patch()
    if patch is None:
        return None
    row = {"patch_hash": patch.sha256, "git_commit": version.git_commit, "patch": patch.text}
    request = PublishRequest(
        artifact_type=CODE_PATCH.name,
        schema_version=CODE_PATCH.version,
        logical_key=format_key(CODE_PATCH, {"commit": version.git_commit, "patch": patch.sha256}),
        data=pa.Table.from_pylist([row], schema=CODE_PATCH.schema),
        writer=Writer("quantlab.create_experiment", QUANTLAB_VERSION, version.git_commit, version.git_dirty),
    )
    return lab.artifacts.publish(request).artifact_id
