"""Leaderboards in the graph: made from completed experiments, and tied to exactly what they were made from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.create_sweep import create_sweep
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.errors import ExperimentNotFoundError, NotFoundError
from quantlab_core.experiments.sweep_file import parse_sweep_file
from quantlab_tests.assets.small_research import HOLD_1H, hold_1h, small_research


@pytest.fixture
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("boards")) as made:
        yield made


def test_boards_follow_the_experiments(runs: LakeRuns) -> None:
    with pytest.raises(NotFoundError, match="none is completed"):
        runs.materialize("callers", ["caller_leaderboard"])
    held = create_experiment(runs, hold_1h("held")).definition.experiment_id
    sweep = parse_sweep_file({"name": "swept", "strategy": HOLD_1H, "grid": {"stop_loss": [0.2, 0.4]}})
    swept = create_sweep(runs, sweep).definition.experiment_id
    for experiment_id in (held, swept):
        execute_experiment(runs, experiment_id)
    pending = create_experiment(runs, hold_1h("pending", strategy=HOLD_1H | {"fee": 0.01})).definition.experiment_id
    runs.materialize("boards", ["caller_leaderboard", "experiment_leaderboard"])

    store = runs.lab.artifacts
    (callers,) = store.heads("caller_leaderboard")
    rows = store.read(callers.artifact_id).to_pylist()
    assert {row["experiment_id"] for row in rows} == {held}, "the newest that only holds"
    assert {row["caller"]: row["n_calls"] for row in rows}["bob"] == 1
    assert {one.artifact_type for one in store.get_lineage(callers.artifact_id).inputs} == {
        "experiment_trades", "experiment_metrics",
    }  # fmt: skip

    (experiments,) = store.heads("experiment_leaderboard")
    board = {row["experiment_id"]: row for row in store.read(experiments.artifact_id).to_pylist()}
    assert set(board) == {held, swept}
    assert (board[held]["n_sets"], board[swept]["n_sets"]) == (1, 2)

    config = {"ops": {"caller_leaderboard": {"config": {"experiment": swept}}}}
    runs.materialize("callers", ["caller_leaderboard"], config=config)
    (callers,) = store.heads("caller_leaderboard")
    assert {row["experiment_id"] for row in store.read(callers.artifact_id).to_pylist()} == {swept}
    config = {"ops": {"caller_leaderboard": {"config": {"experiment": pending}}}}
    with pytest.raises(ExperimentNotFoundError, match="has no results"):
        runs.materialize("callers", ["caller_leaderboard"], config=config)
