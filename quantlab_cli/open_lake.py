"""Opening the lake that a command is about: to read it, to write to it, to run assets on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quantlab_cli.lake_command import Invocation
from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_resources.lab import Lab

if TYPE_CHECKING:
    from quantlab_assets.workflows.lake_runs import LakeRuns


def existing_lake(invocation: Invocation) -> Lab:
    """The lake as it is. Raises LakeNotFoundError; nothing is made."""
    lab = Lab(invocation.home)
    lab.catalogue.list_artifacts(ArtifactFilter(limit=1))
    return lab


@contextmanager
def running(lab: Lab) -> Iterator[LakeRuns]:
    """Runs of the asset graph on ``lab``, shown as progress; its Dagster instance is open within the block."""
    from quantlab_assets.workflows.lake_runs import LakeRuns
    from quantlab_cli.dagster_instance import dagster_instance
    from quantlab_cli.progress_bars import stages_for_terminal

    with dagster_instance(lab.paths.home) as instance:
        yield LakeRuns(lab, instance, stages_for_terminal())


@contextmanager
def running_on_new_or_existing(invocation: Invocation) -> Iterator[LakeRuns]:
    """The same for commands that bring data in: a lake that is not there yet is made."""
    with running(Lab.create(invocation.home)) as runs:
        yield runs
