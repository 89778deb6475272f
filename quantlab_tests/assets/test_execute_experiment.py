"""Executing experiments: what comes out, and what is on record when an attempt does not reach its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import dagster as dg
import pytest

from quantlab_assets.experiments import RESULT_ASSETS
from quantlab_assets.partitions import EXPERIMENTS, add_partitions
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    ConflictError,
    ExperimentNotFoundError,
    IllegalTransitionError,
    IntegrityError,
    InvalidInputError,
)
from quantlab_core.experiments.experiment import DateRange, ExperimentStatus
from quantlab_core.experiments.experiment_identity import encode_definition
from quantlab_resources.experiments.experiment_lock import attempt_lock
from quantlab_resources.experiments.input_checks import require_whole_inputs
from quantlab_resources.experiments.journaled_state import results_mapping
from quantlab_resources.experiments.lab_execution import execute_in_lab
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import FIRST, artifacts, heads, is_untouched
from quantlab_tests.assets.small_research import ELK, FOX, HEN, HOLD_1H, OWL, hold_1h, small_research


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("execute")) as made:
        yield made


def created(runs: LakeRuns, name: str, **more: Any) -> str:
    return create_experiment(runs, hold_1h(name, **more)).definition.experiment_id


def output(runs: LakeRuns, experiment_id: str, name: str) -> list[dict[str, Any]]:
    outputs = runs.lab.experiments.get(experiment_id).outputs
    artifact_id = getattr(outputs, f"{name}_artifact_id")
    return list(runs.lab.artifacts.read(artifact_id).to_pylist())


def states(runs: LakeRuns, experiment_id: str) -> list[str]:
    return [str(entry.status) for entry in runs.lab.artifacts.journal.entries(experiment_id)]


@contextmanager
def refusing_trades(runs: LakeRuns) -> Iterator[None]:
    """Within the block the manifest's SQLite refuses trades, so that publishing fails after the simulation."""
    connection = apsw.Connection(str(runs.lab.paths.manifest_db))
    connection.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON artifacts WHEN NEW.artifact_type = 'experiment_trades' "
        "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
    )
    try:
        yield
    finally:
        connection.execute("DROP TRIGGER refuse")
        connection.close()


@contextmanager
def damaged(artifact: Artifact) -> Iterator[None]:
    """Within the block one bit of the artifact's file is flipped."""
    path = Path(artifact.path_parquet)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    try:
        yield
    finally:
        path.write_bytes(whole)


def test_the_trades_are_those_worked_out_by_hand(runs: LakeRuns) -> None:
    """Owl is bought at 1 (12:01) and sold at 2 (13:01), fox at 4 and 2, elk at 5 and 5: +100, -50 and 0 of 100 each."""
    experiment_id = created(runs, "worked")
    execution = execute_experiment(runs, experiment_id)
    assert execution.experiment.status is ExperimentStatus.COMPLETED
    assert not execution.was_completed_before
    trades = {trade["token"]: trade for trade in output(runs, experiment_id, "trades")}
    assert {token: trades[token]["pnl"] for token in (OWL, FOX, ELK)} == {OWL: 100.0, FOX: -50.0, ELK: 0.0}
    assert {token: trades[token]["duration_s"] for token in (OWL, FOX, ELK)} == dict.fromkeys((OWL, FOX, ELK), 3_600.0)
    assert (trades[HEN]["status"], trades[HEN]["pnl"]) == ("no_entry", None)
    assert len(output(runs, experiment_id, "fills")) == 6
    assert experiment_id in execution.report.read_text()
    assert states(runs, experiment_id) == ["pending", "running", "completed"]


def test_all_outputs_and_the_outcome_are_published_with_the_completion(runs: LakeRuns) -> None:
    experiment_id = created(runs, "together")
    before = runs.lab.artifacts.last_sequence()
    execute_experiment(runs, experiment_id)
    assert runs.lab.artifacts.last_sequence() == before + 2, "running, then results and completed in one"
    outputs = runs.lab.experiments.get(experiment_id).outputs
    assert outputs is not None
    ids = list(results_mapping(outputs).values())
    published = [runs.lab.artifacts.get_artifact(artifact_id) for artifact_id in ids]
    assert {artifact.logical_key.partition("/")[0] for artifact in published} == {f"experiment={experiment_id}"}
    outcome = {row["output"]: row["artifact_id"] for row in output(runs, experiment_id, "outcome")}
    assert outcome == {name: getattr(outputs, f"{name}_artifact_id") for name in outcome}
    assert len(published) == len(RESULT_ASSETS) - 1 == len(outcome) + 1, "only a sweep has parameter sets"


def test_executing_a_completed_experiment_returns_it_and_adds_nothing(runs: LakeRuns) -> None:
    experiment_id = created(runs, "twice")
    first = execute_experiment(runs, experiment_id)
    before, sequence = artifacts(runs), runs.lab.artifacts.last_sequence()
    again = execute_experiment(runs, experiment_id)
    assert again.was_completed_before
    assert again.experiment == first.experiment
    assert is_untouched(runs, before)
    assert runs.lab.artifacts.last_sequence() == sequence


def test_materializing_a_completed_experiment_again_keeps_its_results(runs: LakeRuns) -> None:
    """As the button in Dagster does: the results on record are found, nothing is computed, Dagster has its event."""
    experiment_id = created(runs, "button")
    execute_experiment(runs, experiment_id)
    before = artifacts(runs)
    runs.materialize_partition("again", RESULT_ASSETS, experiment_id)
    runs.materialize_partition("again", ["experiment_definitions"], experiment_id)
    assert is_untouched(runs, before)
    assert states(runs, experiment_id) == ["pending", "running", "completed"]


def test_the_page_is_written_by_the_run_and_linked_from_every_result_in_dagster(runs: LakeRuns) -> None:
    """As the button in Dagster does it: no workflow of the command line is involved."""
    experiment_id = created(runs, "linked")
    add_partitions(runs.instance, EXPERIMENTS, [experiment_id])
    runs.materialize_partition("by the button", RESULT_ASSETS, experiment_id)
    page = runs.lab.paths.report(experiment_id)
    assert experiment_id in page.read_text()
    for asset in set(RESULT_ASSETS) - {"experiment_parameter_sets"}:  # which only a sweep has
        event = runs.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None
        shown = event.asset_materialization.metadata
        assert shown["report"] == dg.MetadataValue.url(f"http://127.0.0.1:3001/{page.name}")
        assert shown["report_file"] == dg.MetadataValue.path(str(page))


def test_a_page_that_cannot_be_written_takes_no_result_with_it(runs: LakeRuns) -> None:
    experiment_id = created(runs, "no-page")
    page = runs.lab.paths.report(experiment_id)
    page.mkdir(parents=True)
    add_partitions(runs.instance, EXPERIMENTS, [experiment_id])
    runs.materialize_partition("no place", RESULT_ASSETS, experiment_id)
    assert runs.lab.experiments.get(experiment_id).status is ExperimentStatus.COMPLETED
    page.rmdir()
    assert experiment_id in execute_experiment(runs, experiment_id).report.read_text()


def test_an_attempt_that_publishes_nothing_writes_no_page(runs: LakeRuns) -> None:
    experiment_id = created(runs, "unpublished")
    with refusing_trades(runs), pytest.raises(Exception, match="refused by the test"):
        execute_experiment(runs, experiment_id)
    assert not runs.lab.paths.report(experiment_id).exists()


def test_a_range_of_days_trades_only_their_alerts(runs: LakeRuns) -> None:
    experiment_id = created(runs, "first day", date_range=DateRange(FIRST, FIRST))
    execute_experiment(runs, experiment_id)
    closed = {trade["token"] for trade in output(runs, experiment_id, "trades") if trade["status"] == "closed"}
    assert closed == {OWL, FOX}


def test_the_library_gives_what_the_asset_gives(runs: LakeRuns) -> None:
    by_asset, by_library = created(runs, "asset"), created(runs, "library")
    execute_experiment(runs, by_asset)
    execute_in_lab(runs.lab, by_library)
    for name in ("fills", "metrics", "curves", "diagnostics"):
        hashes = [
            runs.lab.artifacts.get_artifact(getattr(runs.lab.experiments.get(one).outputs, f"{name}_artifact_id"))
            for one in (by_asset, by_library)
        ]
        assert hashes[0].content_hash == hashes[1].content_hash, name
    trades = [output(runs, one, "trades") for one in (by_asset, by_library)]
    assert [row | {"experiment_id": by_asset} for row in trades[1]] == trades[0]
    assert states(runs, by_library) == ["pending", "running", "completed"]


def test_the_inputs_are_put_into_duckdb_when_asked_for(runs: LakeRuns) -> None:
    experiment_id = created(runs, "inspected")
    assert execute_experiment(runs, experiment_id).duckdb is None
    execution = execute_experiment(runs, experiment_id, with_duckdb=True)
    assert execution.duckdb is not None
    assert execution.duckdb.name == f"exp-{experiment_id}.duckdb"
    with runs.lab.projections.open(f"exp-{experiment_id}") as connection:
        (counted,) = connection.execute("SELECT (SELECT count(*) FROM alerts), (SELECT count(*) FROM ohlcv)").fetchall()
    assert min(counted) > 0


def test_a_run_that_fails_after_the_simulation_is_marked_failed_and_can_run_again(runs: LakeRuns) -> None:
    experiment_id = created(runs, "fails")
    before = artifacts(runs)
    with refusing_trades(runs), pytest.raises(apsw.ConstraintError):
        execute_experiment(runs, experiment_id)
    failed = runs.lab.experiments.get(experiment_id)
    assert failed.status is ExperimentStatus.FAILED
    assert failed.execution is not None
    assert "refused by the test" in str(failed.execution.error)
    assert artifacts(runs) == before
    completed = execute_experiment(runs, experiment_id).experiment
    assert completed.status is ExperimentStatus.COMPLETED
    assert completed.execution is not None
    assert completed.execution.attempt == 2
    assert states(runs, experiment_id) == ["pending", "running", "failed", "running", "completed"]


def test_damaged_input_is_refused_the_attempt_failed_and_the_repaired_input_runs(runs: LakeRuns) -> None:
    experiment_id = created(runs, "damaged")
    series = heads(runs, "token_candles_v1")[f"token={OWL}/res=1m"]
    before = artifacts(runs)
    with damaged(series), pytest.raises(ArtifactDamagedError, match=Path(series.path_parquet).name):
        execute_experiment(runs, experiment_id)
    failed = runs.lab.experiments.get(experiment_id)
    assert failed.status is ExperimentStatus.FAILED
    assert failed.execution is not None
    assert "ArtifactDamagedError" in str(failed.execution.error)
    assert artifacts(runs) == before
    assert execute_experiment(runs, experiment_id).experiment.status is ExperimentStatus.COMPLETED


def test_a_withdrawn_input_is_refused_and_a_superseded_one_is_what_was_frozen(runs: LakeRuns) -> None:
    strategy = {**HOLD_1H, "name": "withdrawn later", "max_hold_min": 50}
    experiment_id = created(runs, "withdrawn", strategy=strategy)
    created(runs, "newer", strategy={**strategy, "max_hold_min": 40})
    pinned = runs.lab.experiments.get(experiment_id).definition.strategy_id
    assert pinned is not None
    assert runs.lab.artifacts.get_artifact(pinned).status is ArtifactStatus.SUPERSEDED
    require_whole_inputs(runs.lab.artifacts, runs.lab.experiments.get(experiment_id).definition)
    runs.lab.artifacts.tombstone(pinned, reason="wrong")
    before = artifacts(runs)
    with pytest.raises(InvalidInputError, match=f"{pinned} .* was withdrawn; nothing was simulated") as raised:
        execute_experiment(runs, experiment_id)
    assert "\n" not in str(raised.value)
    failed = runs.lab.experiments.get(experiment_id)
    assert failed.status is ExperimentStatus.FAILED
    assert failed.execution is not None
    assert "was withdrawn" in str(failed.execution.error)
    assert artifacts(runs) == before


def test_a_missing_file_is_named_with_what_to_do(runs: LakeRuns) -> None:
    experiment_id = created(runs, "missing")
    series = heads(runs, "token_candles_v1")[f"token={FOX}/res=1m"]
    path = Path(series.path_parquet)
    whole = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(ArtifactMissingError, match=f"{series.artifact_id} .* once the file is restored"):
            execute_experiment(runs, experiment_id)
    finally:
        path.write_bytes(whole)
    assert execute_experiment(runs, experiment_id).experiment.status is ExperimentStatus.COMPLETED


def test_a_definition_whose_strategy_is_not_the_one_it_names_is_refused(runs: LakeRuns) -> None:
    definition = create_experiment(runs, hold_1h("swapped")).definition
    other = create_experiment(runs, hold_1h("other", strategy={**HOLD_1H, "name": "other", "stake": 7})).definition
    with pytest.raises(IntegrityError, match="is not that of"):
        require_whole_inputs(runs.lab.artifacts, replace(definition, strategy_id=other.strategy_id))


def test_what_a_cancelled_run_finds_is_not_published(runs: LakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cancelled while it simulates, as by `quantlab experiments cancel` in another process."""
    experiment_id = created(runs, "cancelled")
    before = artifacts(runs)

    def cancelled_meanwhile(*_: Any) -> None:
        Lab(runs.lab.paths.home).experiments.update_status(experiment_id, ExperimentStatus.CANCELLED)

    monkeypatch.setattr("quantlab_assets.experiments.require_whole_inputs", cancelled_meanwhile)
    with pytest.raises(IllegalTransitionError, match="is cancelled and cannot become completed"):
        execute_experiment(runs, experiment_id)
    monkeypatch.undo()
    assert artifacts(runs) == before
    assert states(runs, experiment_id) == ["pending", "running", "cancelled"]
    assert execute_experiment(runs, experiment_id).experiment.status is ExperimentStatus.COMPLETED


def test_an_attempt_whose_process_died_is_journaled_and_the_next_one_completes(runs: LakeRuns) -> None:
    experiment_id = created(runs, "interrupted")
    runs.lab.experiments.update_status(experiment_id, ExperimentStatus.RUNNING)
    assert execute_experiment(runs, experiment_id).experiment.status is ExperimentStatus.COMPLETED
    assert states(runs, experiment_id) == ["pending", "running", "failed", "running", "completed"]
    interrupted = runs.lab.artifacts.journal.entries(experiment_id)[2]
    assert str(interrupted.error).startswith("interrupted")


def test_an_experiment_that_another_process_runs_is_left_alone(runs: LakeRuns) -> None:
    experiment_id = created(runs, "held")
    with (
        attempt_lock(runs.lab.paths.home, experiment_id),
        pytest.raises(ConflictError, match="is being run by another process"),
    ):
        execute_experiment(runs, experiment_id)
    assert states(runs, experiment_id) == ["pending"]


def test_an_unknown_experiment_is_not_found_and_gets_no_partition(runs: LakeRuns) -> None:
    before = artifacts(runs)
    with pytest.raises(ExperimentNotFoundError, match="nobody"):
        execute_experiment(runs, "nobody")
    assert "nobody" not in runs.instance.get_dynamic_partitions("experiments")
    assert artifacts(runs) == before


def test_equal_experiments_have_equal_results(runs: LakeRuns) -> None:
    """The same inputs and strategy under another id: all but the id and what is derived from it is the same."""
    first, second = created(runs, "here"), created(runs, "there")
    for experiment_id in (first, second):
        execute_experiment(runs, experiment_id)
    results = [
        [{k: v for k, v in row.items() if k != "experiment_id"} for row in output(runs, experiment_id, "trades")]
        for experiment_id in (first, second)
    ]
    assert results[0] == results[1]


def test_a_definition_of_one_experiment_cannot_be_put_under_another(runs: LakeRuns) -> None:
    definition = create_experiment(runs, hold_1h("own")).definition
    runs.instance.add_dynamic_partitions("experiments", ["foreign"])
    config = {"ops": {"experiment_definitions": {"config": {"definition": encode_definition(definition)}}}}
    with pytest.raises(InvalidInputError, match="the partition is foreign"):
        runs.materialize_partition("foreign", ["experiment_definitions"], "foreign", config=config)
    assert not [key for key in heads(runs, "experiment_definition_v1") if "foreign" in key]


def test_strategies_with_costs_end_below_those_without(runs: LakeRuns) -> None:
    """1 % fee on both sides of owl's doubling: 100 x 0.99 x 2 x 0.99 - 100 = 96.02."""
    experiment_id = created(runs, "costs", strategy={**HOLD_1H, "fee": 0.01})
    execute_experiment(runs, experiment_id)
    (owl,) = [trade for trade in output(runs, experiment_id, "trades") if trade["token"] == OWL]
    assert owl["pnl"] == pytest.approx(96.02, abs=0.02)
