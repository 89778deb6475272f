"""The provenance of an experiment as JSON, in camelCase, absent values left out; and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantlab_core.code_provenance import DeterminismSettings, EnvironmentIdentity
from quantlab_core.experiments.experiment import ExperimentProvenance


def provenance_document(provenance: ExperimentProvenance) -> dict[str, Any]:
    """The requirements' four keys, then what is known beyond them."""
    environment, determinism = provenance.environment, provenance.determinism
    document = {
        "gitCommit": provenance.git_commit,
        "gitDirty": provenance.git_dirty,
        "engineVersion": provenance.engine_version,
        "createdAt": provenance.created_at,
        "patchHash": provenance.patch_hash,
        "patchArtifactId": provenance.patch_artifact_id,
        "environment": None if environment is None else _environment_document(environment),
        "determinism": None if determinism is None else _determinism_document(determinism),
    }
    return {key: value for key, value in document.items() if value is not None}


def provenance_of(document: Mapping[str, Any]) -> ExperimentProvenance:
    """The inverse of `provenance_document`. Raises KeyError for a key that is missing."""
    environment, determinism = document.get("environment"), document.get("determinism")
    return ExperimentProvenance(
        git_commit=document["gitCommit"],
        git_dirty=document["gitDirty"],
        engine_version=document["engineVersion"],
        created_at=document["createdAt"],
        patch_hash=document.get("patchHash"),
        patch_artifact_id=document.get("patchArtifactId"),
        environment=None
        if environment is None
        else EnvironmentIdentity(
            environment["pythonVersion"],
            environment["platform"],
            environment.get("lockHash"),
            environment["distributionsHash"],
        ),
        determinism=None
        if determinism is None
        else DeterminismSettings(
            determinism["floatMode"],
            determinism["byteOrder"],
            determinism["hashSeed"],
            determinism["cpuCount"],
            dict(determinism["threads"]),
        ),
    )


def _environment_document(environment: EnvironmentIdentity) -> dict[str, Any]:
    lock = {} if environment.lock_hash is None else {"lockHash": environment.lock_hash}
    return {
        "pythonVersion": environment.python_version,
        "platform": environment.platform,
        **lock,
        "distributionsHash": environment.distributions_hash,
    }


def _determinism_document(determinism: DeterminismSettings) -> dict[str, Any]:
    return {
        "floatMode": determinism.float_mode,
        "byteOrder": determinism.byte_order,
        "hashSeed": determinism.hash_seed,
        "cpuCount": determinism.cpu_count,
        "threads": dict(determinism.threads),
    }
