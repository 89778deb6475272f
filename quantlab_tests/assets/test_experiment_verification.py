"""Reproducing and auditing experiments on record: verdicts, what they refuse to claim, and their place in the graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from quantlab_assets.definitions import build_defs
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.verify_experiment import audit_lookahead, reproduce_experiment
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.code_provenance import CodeVersion
from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_core.experiments.experiment_outputs import OUTPUTS
from quantlab_resources.code_provenance import GitCodeProvenance
from quantlab_resources.experiments.experiment_rerun import reproduced
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import artifacts, heads
from quantlab_tests.assets.small_research import OWL, hold_1h, small_research
from quantlab_tests.copied_lake import copied_lake

PLAIN_OUTPUTS = tuple(name for name in OUTPUTS if name != "parameter_sets")
"""What an experiment has that is no sweep."""

STOPPED = {"name": "stopped", "max_hold_min": 60, "stop_loss": 0.2, "trailing_stop": 0.3, "stake": 100.0}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("verify")) as made:
        yield made


@pytest.fixture(scope="module")
def completed(runs: LakeRuns) -> str:
    experiment_id = create_experiment(runs, hold_1h("kept", strategy=STOPPED)).definition.experiment_id
    execute_experiment(runs, experiment_id)
    return experiment_id


def rows(runs: LakeRuns, artifact: Artifact, **wanted: Any) -> list[dict[str, Any]]:
    table: pa.Table = runs.lab.artifacts.read(artifact.artifact_id)
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in wanted.items())]


def verdicts(runs: LakeRuns, artifact: Artifact) -> dict[str, str]:
    return {row["name"]: row["verdict"] for row in rows(runs, artifact, kind="output")}


@contextmanager
def changed_file(artifact: Artifact, *, is_gone: bool = False) -> Iterator[None]:
    """Within the block the artifact's file is gone, or one bit of it flipped."""
    path = Path(artifact.path_parquet)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.unlink()
    if not is_gone:
        path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(whole)


def test_every_output_comes_out_to_the_byte_and_nothing_on_record_changes(runs: LakeRuns, completed: str) -> None:
    before = artifacts(runs)
    verdict = reproduce_experiment(runs, completed)
    assert verdicts(runs, verdict) == dict.fromkeys(PLAIN_OUTPUTS, "identical_bytes")
    assert {artifact_id for artifact_id in artifacts(runs) if artifact_id not in before} == {verdict.artifact_id}
    assert reproduce_experiment(runs, completed) == verdict, "the same finding is the same artifact"


def test_the_verdict_is_made_from_the_definition_and_the_outputs(runs: LakeRuns, completed: str) -> None:
    experiment = runs.lab.experiments.get(completed)
    verdict = reproduce_experiment(runs, completed)
    inputs = {artifact.artifact_id for artifact in runs.lab.artifacts.get_lineage(verdict.artifact_id).inputs}
    outputs = {getattr(experiment.outputs, f"{name}_artifact_id") for name in PLAIN_OUTPUTS}
    assert inputs == outputs | {experiment.definition_artifact_id}
    audit = audit_lookahead(runs, completed)
    inputs = {artifact.artifact_id for artifact in runs.lab.artifacts.get_lineage(audit.artifact_id).inputs}
    assert experiment.outputs is not None
    assert inputs == {experiment.outputs.trades_artifact_id, experiment.definition_artifact_id}


def test_what_was_not_checked_is_said(runs: LakeRuns, completed: str) -> None:
    unchecked = {
        row["name"]: row["message"] for row in rows(runs, reproduce_experiment(runs, completed), kind="unchecked")
    }
    assert "outputs" not in unchecked
    assert "another machine" in unchecked["machines"]
    assert "hold the recorded bytes" in unchecked["inputs"]


@pytest.mark.parametrize("is_gone", [True, False], ids=["missing", "damaged"])
def test_with_a_broken_input_nothing_is_claimed(runs: LakeRuns, completed: str, is_gone: bool) -> None:
    candles = heads(runs, "token_candles_v1")[f"token={OWL}/res=1m"]
    with changed_file(candles, is_gone=is_gone):
        found = reproduced(runs.lab, runs.lab.experiments.get(completed))
    assert not found.is_reproduced
    assert {output.verdict for output in found.outputs} == {"not_checked"}
    (state,) = found.inputs
    assert (state.artifact_id, state.state) == (candles.artifact_id, "missing" if is_gone else "damaged")
    assert found.unchecked["outputs"].startswith("nothing was simulated")


def test_a_withdrawn_input_is_named(tmp_path: Path) -> None:
    with small_research(tmp_path) as own:
        experiment_id = create_experiment(own, hold_1h()).definition.experiment_id
        execute_experiment(own, experiment_id)
        candles = heads(own, "token_candles_v1")[f"token={OWL}/res=1m"]
        own.lab.artifacts.tombstone(candles.artifact_id, reason="wrong pool")
        verdict = reproduce_experiment(own, experiment_id)
        assert set(verdicts(own, verdict).values()) == {"not_checked"}
        (state,) = [row for row in rows(own, verdict, kind="input") if row["verdict"] == "withdrawn"]
        assert state["name"] == candles.artifact_id


def test_a_broken_output_is_compared_by_its_recorded_hash(runs: LakeRuns, completed: str) -> None:
    outputs = runs.lab.experiments.get(completed).outputs
    assert outputs is not None
    trades = runs.lab.artifacts.get_artifact(str(outputs.trades_artifact_id))
    with changed_file(trades, is_gone=True):
        found = reproduced(runs.lab, runs.lab.experiments.get(completed))
    assert found.is_reproduced


def test_results_of_another_definition_are_told_row_by_row(runs: LakeRuns, completed: str) -> None:
    """The record of one experiment held against another's definition: owl is stopped elsewhere, with its values."""
    experiment = runs.lab.experiments.get(completed)
    config = replace(experiment.definition.config, strategy=STOPPED | {"fee": 0.05})
    found = reproduced(
        runs.lab, replace(experiment, definition=replace(experiment.definition, config=config, strategy_id=None))
    )
    by_name = {output.name: output for output in found.outputs}
    trades = by_name["trades"]
    assert trades.verdict == "different"
    assert trades.difference is not None
    assert trades.difference.n_changed == 3
    row = trades.difference.rows[0]
    assert row.one is not None
    assert row.other is not None
    assert set(row.key) == {"param_id", "alert_id"}
    assert row.one["net_return"] > row.other["net_return"]
    assert "entry_ts" not in row.one, "only what differs is told"
    assert not found.is_reproduced


def test_an_experiment_of_another_engine_is_not_simulated(runs: LakeRuns, completed: str) -> None:
    experiment = runs.lab.experiments.get(completed)
    provenance = replace(experiment.definition.provenance, engine_version="0.9.0")
    other = replace(experiment, definition=replace(experiment.definition, provenance=provenance))
    found = reproduced(runs.lab, other)
    assert {output.verdict for output in found.outputs} == {"not_checked"}
    assert "engine 0.9.0" in found.unchecked["outputs"]
    (fact,) = [fact for fact in found.surroundings if fact.name == "engineVersion"]
    assert (fact.recorded, fact.verdict) == ("0.9.0", "differs")


def test_other_code_is_told_beside_equal_results(runs: LakeRuns, completed: str) -> None:
    class Elsewhere(GitCodeProvenance):
        def code_version(self) -> CodeVersion:
            return CodeVersion("0" * 40, git_dirty=True)

    lab = Lab(runs.lab.paths.home, code_provenance=Elsewhere())
    found = reproduced(lab, lab.experiments.get(completed))
    assert found.is_reproduced
    (fact,) = [fact for fact in found.surroundings if fact.name == "gitCommit"]
    assert (fact.present, fact.verdict) == ("0" * 40, "differs")


def test_without_results_there_is_nothing_to_compare(runs: LakeRuns) -> None:
    pending = create_experiment(runs, hold_1h("pending")).definition.experiment_id
    for check in (reproduce_experiment, audit_lookahead):
        with pytest.raises(ConflictError, match="has no results; `quantlab experiments execute"):
            check(runs, pending)
    with pytest.raises(InvalidInputError, match="tolerance"):
        reproduce_experiment(runs, pending, tolerance=-1.0)


def test_the_audit_of_a_real_experiment_passes_and_counts_what_it_looked_at(runs: LakeRuns, completed: str) -> None:
    audit = audit_lookahead(runs, completed, calls=None, instants=4, seed=5)
    checks = rows(runs, audit, kind="check")
    assert {row["engine"] for row in checks} == {"compiled", "sweep", "reference", "selection"}
    assert sum(row["n_failed"] for row in checks) == 0
    assert {row["check"]: row["n_checked"] for row in checks if row["engine"] == "compiled"}["as_recorded"] == 3
    assert all(row["n_checked"] > 0 for row in checks if row["check"] in {"future_cut", "later_calls_removed"})
    (sample,) = rows(runs, audit, kind="sample")
    assert sample["message"].startswith("3 of 3 calls with candles, of 4 alerts; seed 5")


def test_the_asset_check_looks_at_a_sample_after_every_execution(runs: LakeRuns, completed: str) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("experiment_trades"), "does_not_look_ahead")
    record = runs.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)[0]
    evaluation = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
    assert evaluation.passed
    assert evaluation.metadata["calls"].value > 0


def test_a_copied_lake_reproduces_in_another_place(runs: LakeRuns, completed: str, tmp_path: Path) -> None:
    home = copied_lake(runs.lab.paths.home, tmp_path / "elsewhere")
    with dg.DagsterInstance.ephemeral() as instance:
        other = LakeRuns(Lab(home), instance)
        assert verdicts(other, reproduce_experiment(other, completed)) == dict.fromkeys(
            PLAIN_OUTPUTS, "identical_bytes"
        )


def test_each_check_reads_exactly_what_the_graph_says(runs: LakeRuns, completed: str) -> None:
    reproduce_experiment(runs, completed)
    audit_lookahead(runs, completed)
    graph = build_defs().resolve_asset_graph()
    store = runs.lab.artifacts
    for spec, asset in (("experiment_reproduction_v1", "reproductions"), ("lookahead_audit_v1", "lookahead_audits")):
        (head,) = store.heads(spec, f"experiment={completed}/")
        inputs = store.get_lineage(head.artifact_id).inputs
        owners = {
            "experiment_definitions" if "definition" in one.artifact_type else one.artifact_type for one in inputs
        }
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}
        assert owners == parents - {"experiment_parameter_sets"}, "which only a sweep has"


def test_differences_are_json_of_keys_and_values(runs: LakeRuns, completed: str) -> None:
    from quantlab_core.experiments.verification.reproduction import reproduction_table

    experiment = runs.lab.experiments.get(completed)
    config = replace(experiment.definition.config, strategy=STOPPED | {"stake": 50.0})
    found = reproduced(
        runs.lab, replace(experiment, definition=replace(experiment.definition, config=config, strategy_id=None))
    )
    table = reproduction_table(found).to_pylist()
    row = next(row for row in table if row["kind"] == "difference" and row["name"] == "trades")
    assert json.loads(row["recorded"])["stake"] == 100.0
    assert json.loads(row["reproduced"])["stake"] == 50.0
    assert set(json.loads(row["row_key"])) == {"param_id", "alert_id"}
