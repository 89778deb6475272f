"""Archiving a file that came in: its bytes, read-only, the artifact where lineage ends, its partition in Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from quantlab_assets.partitions import CANDLE_FILES, EXPORTS, add_partitions, file_key
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import Artifact, Writer
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.registry import owning_asset
from quantlab_resources.artifacts.raw_files import archive_raw_file
from quantlab_resources.dagster_io.event_tags import DATA_VERSION_TAG
from quantlab_resources.progress import PublishedUnit, report_progress
from quantlab_resources.version import QUANTLAB_VERSION

_PARTITIONS: Mapping[str, dg.DynamicPartitionsDefinition] = {"telegram_export": EXPORTS, "candle_file": CANDLE_FILES}


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file in the archive: its artifact, and the partition key under which the graph knows it."""

    artifact: Artifact
    key: str


def archive_file(runs: LakeRuns, path: Path, kind: str) -> ArchivedFile:
    """Archive the file at ``path`` as a ``telegram_export`` or ``candle_file``; the same bytes are archived once.

    No run makes a raw file, so Dagster is told of it by an event of its own, each time: an event that a crash swallowed
    comes with the next attempt. Raises StorageError.
    """
    lab = runs.lab
    code = lab.code_provenance.code_version()
    writer = Writer(f"quantlab.{kind}", QUANTLAB_VERSION, code.git_commit, code.git_dirty)
    with runs.watched(f"Archiving {path.name}", 1):
        result = archive_raw_file(lab.artifacts, path, kind, writer)
        asset = owning_asset(RAW_FILE, result.artifact.logical_key)
        key = file_key(parse_key(RAW_FILE, result.artifact.logical_key)["sha256"])
        add_partitions(runs.instance, _PARTITIONS[kind], [key])
        runs.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=asset,
                partition=key,
                metadata={"artifact_id": dg.MetadataValue.path(result.artifact_id), "file_name": path.name},
                tags={DATA_VERSION_TAG: result.artifact.content_hash},
            )
        )
        report_progress(PublishedUnit(asset, key, 1, int(not result.deduped)))
    return ArchivedFile(result.artifact, key)
