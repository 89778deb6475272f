"""The main job on the demo world: what it ends with, that repeating it adds nothing, and what can be thrown away."""

from __future__ import annotations

import shutil
from collections import Counter

import dagster as dg
import duckdb

from quantlab_assets.workflows.demo import DEMO_STRATEGIES, run_demo
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.assets.demo_lake import DemoLake


def test_the_demo_ends_with_completed_experiments_and_their_pages(demo_lake: DemoLake) -> None:
    executions = demo_lake.report.executions
    assert [execution.experiment.status for execution in executions] == [ExperimentStatus.COMPLETED] * len(
        DEMO_STRATEGIES
    )
    for execution in executions:
        page = execution.report.read_text()
        assert execution.experiment.definition.experiment_id in page
        assert "<svg" in page


def test_every_message_of_the_demo_is_accounted_for(demo_lake: DemoLake) -> None:
    dispositions = demo_lake.report.ingest.dispositions
    (messages,) = demo_lake.lab.artifacts.heads("telegram_messages_v1")
    assert dispositions["quarantined"] == sum(demo_lake.report.ingest.quarantine_rules.values())
    assert sum(dispositions.values()) >= messages.row_count > 0


def test_a_token_that_dies_is_traded_to_its_end_and_not_censored(demo_lake: DemoLake) -> None:
    """The span of the candle files goes on after a token's last trade, so silence is data and no trade is censored."""
    for execution in demo_lake.report.executions:
        outputs = execution.experiment.outputs
        assert outputs is not None
        assert outputs.trades_artifact_id is not None
        trades = demo_lake.lab.artifacts.read(outputs.trades_artifact_id).to_pylist()
        closed = [trade for trade in trades if trade["status"] == "closed"]
        assert closed
        assert not any(trade["is_censored"] for trade in closed)


def test_a_second_run_adds_no_artifact(demo_lake: DemoLake) -> None:
    before = _artifact_ids(demo_lake)
    again = run_demo(demo_lake.runs())
    assert again.new_artifacts == 0
    assert again.published > 0
    assert _artifact_ids(demo_lake) == before
    assert all(execution.was_completed_before for execution in again.executions)


def test_deleting_everything_disposable_changes_no_answer(demo_lake: DemoLake) -> None:
    lab = demo_lake.lab
    fingerprint = lab.projections.get("research").fingerprint
    experiments = _indexed_experiments(demo_lake)
    shutil.rmtree(lab.paths.projection_cache)
    lab.paths.experiment_db.unlink()
    again = run_demo(demo_lake.runs())
    assert again.new_artifacts == 0
    assert lab.projections.get("research").fingerprint == fingerprint
    assert _indexed_experiments(demo_lake) == experiments


def test_another_lake_gets_the_same_artifacts_byte_for_byte(
    demo_lake: DemoLake, lab, instance: dg.DagsterInstance
) -> None:
    run_demo(LakeRuns(lab, instance))
    frozen_at = {"experiment_definition_v1"}  # records when it was created
    here = {a.logical_key: a.file_hash for a in _artifacts(demo_lake) if a.artifact_type not in frozen_at}
    there = lab.artifacts.list_artifacts(ArtifactFilter(limit=None)).artifacts
    assert {a.logical_key: a.file_hash for a in there if a.artifact_type not in frozen_at} == here


def test_lineage_of_metrics_ends_at_the_raw_files_and_the_strategy(demo_lake: DemoLake) -> None:
    outputs = demo_lake.report.executions[0].experiment.outputs
    assert outputs is not None
    assert outputs.metrics_artifact_id is not None
    lineage = demo_lake.lab.artifacts.get_lineage(outputs.metrics_artifact_id, depth=None)
    has_inputs = {edge.artifact_id for edge in lineage.edges}
    ends = Counter(
        (artifact.artifact_type, artifact.logical_key.partition("/")[0])
        for artifact in lineage.inputs
        if artifact.artifact_id not in has_inputs
    )
    assert ends == {
        ("raw_file_v1", "kind=telegram_export"): 1,
        ("raw_file_v1", "kind=candle_file"): 2,
        ("strategy_v1", "strategy=momentum"): 1,
    }


def test_the_lake_verifies_after_the_demo(demo_lake: DemoLake) -> None:
    report = verify(demo_lake.lab.artifacts)
    assert report.is_whole


def test_the_projection_holds_every_alert_and_candle(demo_lake: DemoLake) -> None:
    store = demo_lake.lab.artifacts
    path = demo_lake.lab.projections.get("research").duckdb_path
    with duckdb.connect(path, read_only=True) as connection:
        ((alerts,),) = connection.execute("SELECT count(*) FROM alerts").fetchall()
        ((candles,),) = connection.execute("SELECT count(*) FROM ohlcv").fetchall()
    assert alerts == sum(head.row_count for head in store.heads("alerts_v1"))
    assert candles == sum(head.row_count for head in store.heads("token_candles_v1"))


def _artifacts(demo_lake: DemoLake) -> tuple:
    return demo_lake.lab.artifacts.list_artifacts(ArtifactFilter(limit=None)).artifacts


def _artifact_ids(demo_lake: DemoLake) -> set[str]:
    return {artifact.artifact_id for artifact in _artifacts(demo_lake)}


def _indexed_experiments(demo_lake: DemoLake) -> list[tuple]:
    with duckdb.connect(str(demo_lake.lab.paths.experiment_db), read_only=True) as connection:
        return connection.execute("SELECT * FROM experiments ORDER BY experiment_id").fetchall()
