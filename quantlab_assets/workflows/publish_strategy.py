"""A strategy that somebody wrote is published under its name."""

from __future__ import annotations

from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.tell_dagster import tell_dagster
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.strategies.artifact_types import STRATEGY
from quantlab_resources.strategies.known_strategies import publish_strategy, require_named


def publish_named_strategy(runs: LakeRuns, strategy: Strategy) -> tuple[Artifact, bool]:
    """The strategy as the current one of its name, and whether it was published just now.

    Raises InvalidInputError without a name, StrategyError for the name of a preset, ConflictError, StorageError.
    """
    require_named(strategy)
    published = publish_strategy(runs.lab.artifacts, strategy, runs.lab.code_provenance)
    tell_dagster(runs, STRATEGY)
    return published
