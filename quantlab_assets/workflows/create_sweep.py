"""A sweep is created as the experiment that it is: one definition, one partition, one set of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment import Experiment
from quantlab_core.experiments.sweep_file import SweepFile, parse_sweep_file
from quantlab_resources.experiments.experiment_freezing import DaySelection, ExperimentRequest
from quantlab_resources.mapping_file import read_mapping
from quantlab_resources.strategies.chosen_strategy import strategy_fields
from quantlab_resources.strategies.strategy_file import is_strategy_file, read_strategy_file

MOST_BYTES = 4 * 1024 * 1024
"""A list of the most sets that a sweep may have fits in."""


def read_sweep_file(path: Path) -> SweepFile:
    """The sweep in a YAML or JSON file. A strategy file that it names is looked for beside it.

    Raises InvalidInputError or StrategyError with the path and the key, NotFoundError, StorageError.
    """
    document = read_mapping(
        path, what="sweep", page="docs/experiments.md", most_bytes=MOST_BYTES, error=InvalidInputError
    )
    try:
        sweep = parse_sweep_file(document)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    if isinstance(sweep.strategy, str) and is_strategy_file(sweep.strategy):
        return replace(sweep, strategy=read_strategy_file(path.parent / sweep.strategy))
    return sweep


def create_sweep(
    runs: LakeRuns,
    sweep: SweepFile,
    *,
    alerts: Sequence[str] = (),
    ohlcv: Sequence[str] = (),
    selection: DaySelection | None = None,
    experiment_id: str | None = None,
) -> Experiment:
    """Freeze the inputs and record the sweep as pending; an equal one that exists is returned as it is.

    Raises as `create_experiment`, and InvalidInputError when no parameter set is a strategy.
    """
    base = sweep.strategy
    fields = strategy_fields(runs.lab.artifacts, base) if isinstance(base, str) else {"strategy": base}
    request = ExperimentRequest(
        name=sweep.name,
        description=sweep.description,
        **fields,
        alerts=alerts,
        ohlcv=ohlcv,
        selection=selection,
        date_range=sweep.date_range,
        params=sweep.params,
        experiment_id=experiment_id,
    )
    return create_experiment(runs, request)
