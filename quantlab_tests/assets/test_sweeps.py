"""A sweep is an experiment: one definition, one partition, one set of results, whatever happens on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from quantlab_assets.experiment_previews import MOST_SETS_SHOWN, parameter_sets_preview
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.create_sweep import create_sweep, read_sweep_file
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.errors import InvalidInputError, QuantlabError, StrategyError
from quantlab_core.experiments.experiment import Experiment, ExperimentStatus
from quantlab_core.experiments.sweep_file import parse_sweep_file
from quantlab_core.experiments.verification.experiment_audit import AuditExtent
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_resources.experiments.completed_results import result_table
from quantlab_resources.experiments.experiment_freezing import ExperimentRequest
from quantlab_resources.experiments.experiment_rerun import reproduced
from quantlab_resources.experiments.recorded_audit import audited_experiment
from quantlab_resources.strategies.known_strategies import find_strategy, publish_strategy
from quantlab_tests.assets.small_inputs import artifacts, is_untouched
from quantlab_tests.assets.small_research import HOLD_1H, OWL, small_research
from quantlab_tests.assets.test_execute_experiment import refusing_trades, states

GRID: dict[str, Any] = {
    "name": "targets and stops",
    "strategy": HOLD_1H,
    "grid": {"take_profit": [[[0.5, 1.0]], []], "stop_loss": [0.2, 0.4, 1.5]},
    "choose_by": "mean_return",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("sweeps")) as made:
        yield made


def created(runs: LakeRuns, **changed: Any) -> Experiment:
    return create_sweep(runs, parse_sweep_file(GRID | changed))


def test_one_definition_one_partition_and_one_set_of_results(runs: LakeRuns) -> None:
    """Owl jumps from 1 to 2 between two candles: a target of 1.5 is sold at 2, like the end of the hour."""
    experiment_id = created(runs).definition.experiment_id
    execution = execute_experiment(runs, experiment_id)
    assert states(runs, experiment_id) == ["pending", "running", "completed"]
    assert experiment_id in runs.instance.get_dynamic_partitions("experiments")
    sets = result_table(runs.lab.artifacts, execution.experiment, "parameter_sets").to_pylist()
    assert [row["excluded_reason"] is None for row in sets].count(True) == 4
    outcome = {row["output"] for row in result_table(runs.lab.artifacts, execution.experiment, "outcome").to_pylist()}
    assert outcome == {"trades", "fills", "curves", "metrics", "diagnostics", "parameter_sets"}
    chosen = next(row for row in sets if row["is_chosen"])
    trades = result_table(runs.lab.artifacts, execution.experiment, "trades").to_pylist()
    assert {trade["param_id"] for trade in trades} == {chosen["param_id"]}
    assert next(trade["net_return"] for trade in trades if trade["token"] == OWL) > 0.4
    assert "This is the best of 4 parameter sets" in execution.report.read_text()


def test_an_equal_sweep_is_the_one_that_is_there_whatever_its_order(runs: LakeRuns) -> None:
    first = created(runs)
    turned = {"stop_loss": [1.5, 0.4, 0.2], "take_profit": [[], [[0.5, 1]]]}
    assert created(runs, grid=turned).definition.experiment_id == first.definition.experiment_id
    assert created(runs, choose_by="win_rate").definition.experiment_id != first.definition.experiment_id
    single = create_experiment(runs, ExperimentRequest(name=GRID["name"], strategy=HOLD_1H))
    assert single.definition.experiment_id != first.definition.experiment_id


def test_a_sweep_of_an_earlier_strategy_pins_it_and_leaves_its_name_to_the_current_one(runs: LakeRuns) -> None:
    earlier, current = (
        publish_strategy(
            runs.lab.artifacts, parse_strategy({**HOLD_1H, "name": "held", "stake": stake}), runs.lab.code_provenance
        )[0]
        for stake in (5, 6)
    )
    definition = created(runs, name="of an earlier one", strategy=earlier.artifact_id).definition
    assert (definition.strategy_id, definition.config.strategy["stake"]) == (earlier.artifact_id, 5)
    assert find_strategy(runs.lab.artifacts, "held").artifact == current


def test_an_interrupted_sweep_publishes_nothing_and_runs_again(runs: LakeRuns) -> None:
    experiment_id = created(runs, name="interrupted").definition.experiment_id
    before = artifacts(runs)
    with refusing_trades(runs), pytest.raises(apsw.ConstraintError):
        execute_experiment(runs, experiment_id)
    assert artifacts(runs) == before
    assert runs.lab.experiments.get(experiment_id).status is ExperimentStatus.FAILED
    completed = execute_experiment(runs, experiment_id).experiment
    assert completed.status is ExperimentStatus.COMPLETED
    assert states(runs, experiment_id) == ["pending", "running", "failed", "running", "completed"]
    before = artifacts(runs)
    assert execute_experiment(runs, experiment_id).was_completed_before
    assert is_untouched(runs, before)


def test_what_is_refused_leaves_nothing_behind(runs: LakeRuns) -> None:
    before = artifacts(runs)
    with pytest.raises(StrategyError, match="max_hold_min 9000 reaches beyond the candles"):
        created(runs, grid={"max_hold_min": [60, 9_000]})
    with pytest.raises(InvalidInputError, match="none of the 1 parameter sets is a strategy"):
        created(runs, grid={"stop_loss": [1.5]})
    with pytest.raises(StrategyError, match="did you mean 'tight_stop'"):
        created(runs, strategy="tight_stopp")
    assert artifacts(runs) == before


def test_dagster_shows_the_best_sets_and_a_map(runs: LakeRuns) -> None:
    wide = created(runs, name="wide", grid={"stop_loss": [step / 100 for step in range(20, 80)], "fee": [0, 0.01]})
    experiment = execute_experiment(runs, wide.definition.experiment_id).experiment
    sets = result_table(runs.lab.artifacts, experiment, "parameter_sets")
    shown = parameter_sets_preview(sets)
    assert shown["n_sets"].value == 120
    assert len(shown["best_sets"].value.splitlines()) == 2 + MOST_SETS_SHOWN
    assert shown["heat_map"].value.startswith("![The measure by both keys](data:image/png;base64,")


def test_a_strategy_file_is_looked_for_beside_the_sweep_file(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text(json.dumps(HOLD_1H), encoding="utf-8")
    file = tmp_path / "sweep.yaml"
    file.write_text("name: x\nstrategy: base.json\nfrom: 2025-05-01\nto: 2025-05-02\nlist: [{}]\n", encoding="utf-8")
    read = read_sweep_file(file)
    assert read.strategy == HOLD_1H
    assert (read.date_range.from_, read.date_range.to) == ("2025-05-01", "2025-05-02")
    (tmp_path / "base.json").unlink()
    with pytest.raises(QuantlabError, match=r"strategy file not found: .*base\.json"):
        read_sweep_file(file)


def test_a_sweep_is_reproduced_to_the_byte_and_its_chosen_set_audited(runs: LakeRuns) -> None:
    experiment = execute_experiment(runs, created(runs).definition.experiment_id).experiment
    again = reproduced(runs.lab, experiment)
    assert {output.name: str(output.verdict) for output in again.outputs} == dict.fromkeys(
        ("trades", "fills", "curves", "metrics", "diagnostics", "parameter_sets"), "identical_bytes"
    )
    audit = audited_experiment(runs.lab, experiment, AuditExtent())
    assert (audit.n_failed, audit.n_calls > 0) == (0, True)
