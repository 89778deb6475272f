"""Archiving a file that came in: its bytes, read-only, and the artifact where lineage ends."""

from __future__ import annotations

from pathlib import Path

from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import Artifact, Writer
from quantlab_resources.artifacts.raw_files import archive_raw_file
from quantlab_resources.progress import PublishedUnit, report_progress
from quantlab_resources.version import QUANTLAB_VERSION


def archive_file(runs: LakeRuns, path: Path, kind: str) -> Artifact:
    """The raw file artifact of the file at ``path``; the same bytes are archived once. Raises StorageError."""
    lab = runs.lab
    code = lab.code_provenance.code_version()
    writer = Writer(f"quantlab.{kind}", QUANTLAB_VERSION, code.git_commit, code.git_dirty)
    with runs.watched(f"Archiving {path.name}", 1):
        result = archive_raw_file(lab.artifacts, path, kind, writer)
        report_progress(PublishedUnit(kind, None, 1, int(not result.deduped)))
    return result.artifact
