"""What earlier attempts at a run have finished, so that the run that retries them does not do it again.

Dagster names the run that another one retries (``dagster/parent_run_id``). What such a run has published is in the
manifest, whatever became of its events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from quantlab_core.artifacts.artifact import Artifact, PublishResult
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.registry import find_artifact_type, owning_asset
from quantlab_core.errors import LogicalKeyError
from quantlab_resources.artifacts.manifest.run_publications import RunPublication, run_publications
from quantlab_resources.dagster_io.artifact_draft import PublishedPartition
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.lab import Lab

CODE_VERSION_RUN_TAG = "quantlab/code_version"
"""With the step's name: the code version that a run over many partitions ran it with."""
PARENT_RUN_TAG = "dagster/parent_run_id"
MOST_ATTEMPTS = 100

Finished = dict[str, dict[str, PublishedPartition]]
"""Partition → asset → what is on record of it."""


def finished_before(
    instance: dg.DagsterInstance,
    lab: Lab,
    run: dg.DagsterRun,
    *,
    step: str,
    specs: Sequence[ArtifactType],
    assets: Sequence[str],
    code_version: str,
) -> Finished:
    """The partitions that the runs which ``run`` retries have finished, with what they published.

    An attempt counts if it did not succeed (who repeats a run that did wants it repeated) and ran the step with the
    same configuration and code version. A partition counts if all that was published of it is current and nothing that
    it was made from has been replaced since. One of which nothing was published is done again: that costs nothing.
    """
    attempts = _attempts(instance, run, step, code_version)
    if not attempts:
        return {}
    kept: dict[str, list[Artifact]] = {}
    with lab.artifacts.manifest.reading() as connection:
        for attempt in attempts:
            published: dict[str, list[RunPublication]] = {}
            for found in run_publications(connection, attempt, sorted({spec.name for spec in specs})):
                partition = _partition(found.artifact)
                if partition is not None:
                    published.setdefault(partition, []).append(found)
            for partition, publications in published.items():  # of several attempts at a partition the last one counts
                stands = all(publication.stands for publication in publications)
                kept[partition] = [publication.artifact for publication in publications] if stands else []
    return {
        partition: {asset: _share(lab, partition, asset, artifacts) for asset in assets}
        for partition, artifacts in kept.items()
        if artifacts
    }


def note_code_version(instance: dg.DagsterInstance, run: dg.DagsterRun, step: str, code_version: str) -> None:
    """Put on record with which code version the run does the step, for a run that retries it."""
    instance.add_run_tags(run.run_id, {f"{CODE_VERSION_RUN_TAG}/{step}": code_version})


def _attempts(instance: dg.DagsterInstance, run: dg.DagsterRun, step: str, code_version: str) -> list[str]:
    """Ids of the runs that this one retries, the first one first."""
    found: list[str] = []
    parent_id = _parent_of(run)
    while parent_id is not None and len(found) < MOST_ATTEMPTS:
        parent = instance.get_run_by_id(parent_id)
        if (
            parent is None
            or parent.status is dg.DagsterRunStatus.SUCCESS
            or _config(parent, step) != _config(run, step)
            or parent.tags.get(f"{CODE_VERSION_RUN_TAG}/{step}") != code_version
        ):
            break
        found.append(parent_id)
        parent_id = _parent_of(parent)
    return found[::-1]


def _parent_of(run: dg.DagsterRun) -> str | None:
    return run.parent_run_id or run.tags.get(PARENT_RUN_TAG)


def _config(run: dg.DagsterRun, step: str) -> object:
    config: Any = run.run_config
    return ((config.get("ops") or {}).get(step) or {}).get("config") or {}


def _partition(artifact: Artifact) -> str | None:
    spec = find_artifact_type(artifact.artifact_type, artifact.schema_version)
    try:
        return None if spec is None else partition_of(spec, artifact.logical_key)
    except LogicalKeyError:
        return None


def _share(lab: Lab, partition: str, asset: str, artifacts: Sequence[Artifact]) -> PublishedPartition:
    by_key = {(artifact.artifact_type, artifact.logical_key): artifact for artifact in artifacts}
    own = []
    for artifact in by_key.values():
        spec = find_artifact_type(artifact.artifact_type, artifact.schema_version)
        if spec is not None and owning_asset(spec, artifact.logical_key) == asset:
            own.append(PublishResult(lab.artifacts.located(artifact), deduped=True))
    return PublishedPartition(partition, tuple(own))
