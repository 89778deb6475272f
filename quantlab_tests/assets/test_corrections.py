"""What was wrong is put right, what happens at once does not undo itself, and what is on record stays what it is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.import_candles import import_candle_file
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.experiments.experiment_identity import encode_definition
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.lab import Lab
from quantlab_resources.progress import ProgressListener, PublishedUnit
from quantlab_tests.assets.small_inputs import DAY_S, heads, minutes, rows, write_candles, write_export
from quantlab_tests.assets.small_research import hold_1h
from quantlab_tests.core.alerts.invented_chat import NOON, exported, mint

OWL, FOX = mint("owl"), mint("fox")


@pytest.fixture
def runs(lab: Lab, instance: dg.DagsterInstance) -> LakeRuns:
    return LakeRuns(lab, instance)


def test_a_file_imported_again_for_another_token_leaves_nothing_of_the_first_to_trade_on(
    runs: LakeRuns, tmp_path: Path
) -> None:
    export = write_export(tmp_path / "export.json", exported(1, OWL), exported(2, FOX, at=60))
    days = ingest_telegram_export(runs, export).days
    candles = tmp_path / "candles.csv"
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [f"{int(ts.timestamp())},{o},{h},{low},{c},10" for ts, o, h, low, c in minutes([1.0] * 30 + [2.0] * 60)]
    candles.write_text("\n".join(lines) + "\n")
    for token in (OWL, FOX):
        imported = import_candle_file(runs, candles, CandleFileDeclaration(token=token, chain="solana"))
        refresh_research(runs, {*days, *imported.cohort_days()})
    assert {row["token_address"] for row in rows(runs, "ohlcv_slice_v2")} == {FOX}
    assert {row["token_address"] for row in rows(runs, "token_candles_v1")} == {FOX}
    experiment = execute_experiment(runs, create_experiment(runs, hold_1h()).definition.experiment_id).experiment
    assert experiment.outputs is not None
    assert experiment.outputs.trades_artifact_id is not None
    trades = runs.lab.artifacts.read(experiment.outputs.trades_artifact_id).to_pylist()
    assert {trade["token"]: trade["status"] for trade in trades} == {OWL: "no_entry", FOX: "closed"}


@pytest.mark.parametrize("candles_first", [True, False])
def test_a_token_that_died_before_its_call_is_covered_whatever_came_in_first(
    runs: LakeRuns, tmp_path: Path, candles_first: bool
) -> None:
    """The file speaks of three weeks, its candles end on the first day, the call is on the sixth: silence is data."""
    export = write_export(tmp_path / "export.json", exported(1, OWL, at=5 * DAY_S))
    candles = write_candles(tmp_path / "candles.csv", {OWL: minutes([1.0] * 60)})
    declared = CandleFileDeclaration(span_from=NOON - timedelta(hours=1), span_to=NOON + timedelta(days=20))

    def import_candles() -> None:
        refresh_research(runs, import_candle_file(runs, candles, declared).cohort_days())

    def ingest() -> None:
        refresh_research(runs, ingest_telegram_export(runs, export).days)

    for come_in in (import_candles, ingest) if candles_first else (ingest, import_candles):
        come_in()
    assert [head.row_count for head in heads(runs, "ohlcv_slice_v2").values()] == [0]
    verdicts = {row["horizon_h"]: row["verdict"] for row in rows(runs, "alert_forward_coverage_v1")}
    assert verdicts == dict.fromkeys([1, 4, 12, 24, 48], "good")


class Interruption:
    """Lets another process's work happen once, right after the first thing that a stage publishes."""

    def __init__(self, title: str, happen: object) -> None:
        self._title = title
        self._happen = happen

    def stage(self, title: str, total: int | None) -> AbstractContextManager[ProgressListener]:
        """The stage that is interrupted, or one that is not."""

        def listen(_unit: PublishedUnit) -> None:
            happen, self._happen = self._happen, None
            if title == self._title and callable(happen):
                happen()
            elif title != self._title:
                self._happen = happen

        return nullcontext(listen)


def test_two_ingests_at_once_keep_each_others_alerts(lab: Lab, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """While the first one has published its first day, the second one publishes the second day of both."""
    mine = write_export(tmp_path / "mine.json", exported(1, OWL), exported(2, OWL, at=DAY_S))
    theirs = write_export(tmp_path / "theirs.json", exported(3, FOX, at=DAY_S + 60))
    other = LakeRuns(Lab(lab.paths.home), instance)
    earlier = write_export(tmp_path / "earlier.json", exported(4, OWL, at=DAY_S + 120))
    ingest_telegram_export(other, earlier)
    runs = LakeRuns(lab, instance, Interruption("Finding alerts", lambda: ingest_telegram_export(other, theirs)))
    ingest_telegram_export(runs, mine)
    found = {(row["alert_message_id"], row["mint"]) for row in rows(runs, "alerts_v1")}
    assert found == {(1, OWL), (2, OWL), (3, FOX), (4, OWL)}
    (alert_set,) = runs.lab.artifacts.heads("artifact_set", "of=alerts/selection=current")
    members = runs.lab.artifacts.read(alert_set.artifact_id)["artifact_id"].to_pylist()
    assert set(members) == {head.artifact_id for head in heads(runs, "alerts_v1").values()}


@pytest.fixture
def researched(runs: LakeRuns, tmp_path: Path) -> LakeRuns:
    days = ingest_telegram_export(runs, write_export(tmp_path / "export.json", exported(1, OWL))).days
    import_candle_file(runs, write_candles(tmp_path / "owl.csv", {OWL: minutes([1.0] * 90)}), CandleFileDeclaration())
    refresh_research(runs, days)
    return runs


def test_the_definition_on_record_is_not_replaced_by_a_run_that_brings_another(researched: LakeRuns) -> None:
    runs = researched
    experiment_id = create_experiment(runs, hold_1h()).definition.experiment_id
    execute_experiment(runs, experiment_id)
    recorded = runs.lab.experiments.get(experiment_id)
    strategy = {**recorded.definition.config.strategy, "max_hold_min": 30}
    other = replace(recorded.definition, config=replace(recorded.definition.config, strategy=strategy))
    config = {"ops": {"experiment_definitions": {"config": {"definition": encode_definition(other)}}}}
    with pytest.raises(ConflictError, match=experiment_id):
        runs.materialize_partition("again", ["experiment_definitions"], experiment_id, config=config)
    assert runs.lab.experiments.get(experiment_id) == recorded


def test_an_experiment_made_for_another_engine_is_not_run_on_this_one(researched: LakeRuns) -> None:
    runs = researched
    made = create_experiment(runs, hold_1h()).definition
    older = replace(made, experiment_id="older", provenance=replace(made.provenance, engine_version="0.9.0"))
    runs.lab.experiments.create(older)
    with pytest.raises(ConflictError, match=r"0\.9\.0"):
        execute_experiment(runs, "older")
    assert runs.lab.experiments.get("older").status is ExperimentStatus.PENDING


@pytest.mark.parametrize("by_id", [True, False])
def test_withdrawn_alerts_enter_no_new_experiment(researched: LakeRuns, by_id: bool) -> None:
    (alerts,) = heads(researched, "alerts_v1").values()
    researched.lab.artifacts.tombstone(alerts.artifact_id, reason="wrong chat")
    chosen = {"alerts": [alerts.artifact_id]} if by_id else {}
    with pytest.raises(InvalidInputError, match=f"{alerts.artifact_id} .* was withdrawn"):
        create_experiment(researched, hold_1h(**chosen))
