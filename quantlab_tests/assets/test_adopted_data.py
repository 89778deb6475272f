"""Adopted alerts and candles in the graph: experiments run on them, and no later work drops an adopted call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from quantlab_assets import alerts as alert_assets
from quantlab_assets.adopted_calls import adopted_calls
from quantlab_assets.partitions import TOKENS
from quantlab_assets.workflows.adopt_lake import adopt_lake
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.ingest_alerts import IngestReport, ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_assets.workflows.sync_dagster import sync_dagster
from quantlab_core.alerts.adopted_calls import calls_of
from quantlab_core.alerts.artifact_types import ALERT_EVENTS
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.artifacts.upkeep.staleness import stale
from quantlab_resources.experiments.experiment_freezing import DaySelection, ExperimentRequest
from quantlab_resources.lab import Lab
from quantlab_tests.assets.badges import out_of_sync, versions
from quantlab_tests.assets.small_inputs import FIRST, SECOND, THIRD, heads
from quantlab_tests.assets.small_research import HOLD_1H
from quantlab_tests.cli.small_lake import FIRST_CALL, call_quantlab, message, write_export
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.adoption.earlier_store import (
    FIRST_TOKEN,
    SECOND_TOKEN,
    EarlierStore,
    alerts,
    small_earlier_lake,
)

CHAT = 1_800_000_001
EVM = "0x6982508145454ce325ddbe47a25d4ec3d2311933"
ADOPTED_FIRST = {(CHAT, 11, FIRST_TOKEN), (CHAT, 12, SECOND_TOKEN), (CHAT, 13, EVM)}
CHECKED = dg.AssetCheckKey(dg.AssetKey("alert_events"), "keeps_adopted_calls")


@pytest.fixture(scope="module")
def adopted_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of alerts, events of the first two, slices for each call; adopted in place. Not to be written to."""
    home = tmp_path_factory.mktemp("earlier") / "lake"
    small_earlier_lake(home)
    adopt_lake(home).lab.artifacts.close()
    return home


@pytest.fixture
def runs(adopted_home: Path, tmp_path: Path) -> Iterator[LakeRuns]:
    """A copy of the adopted lake, on a Dagster instance that knows what is in it."""
    copied_lake(adopted_home, tmp_path / "lake")
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab(tmp_path / "lake")
        sync_dagster(lab, instance)
        yield LakeRuns(lab, instance)


def test_after_adoption_dagster_shows_days_and_tokens_and_calls_nothing_out_of_sync(runs: LakeRuns) -> None:
    shown = versions(runs.instance)
    assert {key for asset, key in shown if asset == "alerts"} == {FIRST, SECOND, THIRD}
    assert {key for asset, key in shown if asset == "alert_events"} == {FIRST, SECOND}
    assert (
        shown["experiment_trades", "old-1"] == heads(runs, "experiment_trades")["experiment=old-1/trades"].content_hash
    )
    assert set(runs.instance.get_dynamic_partitions("tokens")) == {f"solana:{t}" for t in (FIRST_TOKEN, SECOND_TOKEN)}
    assert out_of_sync(runs.instance) == set()


def test_an_experiment_on_adopted_alerts_and_slices_trades_them_and_ends_at_what_was_adopted(runs: LakeRuns) -> None:
    """Called at 12:00:07.250, bought at 12:01, sold at the close of the minute before 13:01.

    The slice begins at 20:00 the day before with the price 1, which rises by 0.001 a minute: 961 minutes later it is
    1.961, and 1020 minutes later 2.020.
    """
    experiment = create_experiment(runs, ExperimentRequest("adopted", HOLD_1H))
    done = execute_experiment(runs, experiment.definition.experiment_id).experiment
    assert done.status is ExperimentStatus.COMPLETED
    assert done.outputs is not None
    store = runs.lab.artifacts
    trades = store.read(str(done.outputs.trades_artifact_id)).to_pylist()
    assert [trade["status"] for trade in trades] == ["closed", "no_entry", "closed", "closed", "closed"]
    assert trades[0]["entry_raw_price"] == pytest.approx(1.961)
    assert trades[0]["net_return"] == pytest.approx(2.020 / 1.961 - 1)
    assert trades[0]["pnl"] == pytest.approx(100 * (2.020 / 1.961 - 1))
    codes = {row["code"]: row["context"] for row in store.read(str(done.outputs.diagnostics_artifact_id)).to_pylist()}
    assert codes["edits_unknown"] == '{"alerts": 5, "count": 5}'
    inputs = store.get_lineage(str(done.outputs.metrics_artifact_id), depth=None).inputs
    sources = {each.artifact_id for each in inputs if not store.get_lineage(each.artifact_id).inputs}
    # Beside its own strategy, what it rests on are adopted files, and nothing else.
    assert sources - {experiment.definition.strategy_id} <= _adopted_ids(runs)
    assert {each.artifact_type for each in inputs if each.artifact_id in sources} >= {
        "alerts_event_v1",
        "ohlcv_slice_v2",
    }


def test_adopted_artifacts_can_be_chosen_by_id_and_by_day(runs: LakeRuns) -> None:
    alert = heads(runs, "alerts_v1")[f"day={SECOND}/chain=solana"]
    candles = [head.artifact_id for head in runs.lab.artifacts.heads("ohlcv_slice_v2", f"token={FIRST_TOKEN}/")]
    by_id = ExperimentRequest("by id", HOLD_1H, alerts=[alert.artifact_id], ohlcv=candles)
    by_day = ExperimentRequest(
        "by day", HOLD_1H, ohlcv=candles, selection=DaySelection(*[date.fromisoformat(SECOND)] * 2)
    )
    made = [create_experiment(runs, request).definition for request in (by_id, by_day)]
    assert made[0].alert_set_id == made[1].alert_set_id
    done = execute_experiment(runs, made[0].experiment_id).experiment
    assert done.outputs is not None
    (trade,) = runs.lab.artifacts.read(str(done.outputs.trades_artifact_id)).to_pylist()
    # Two slices hold 09:16; of equal volumes the higher high stays: the second slice's, 796 minutes after its begin.
    assert trade["entry_raw_price"] == pytest.approx(2 * 1.796)


def test_an_ingest_keeps_adopted_calls_and_prefers_what_the_export_says(runs: LakeRuns, tmp_path: Path) -> None:
    report = ingest(runs, tmp_path, (11, FIRST_TOKEN), (50, SECOND_TOKEN))
    rows = {row["alert_message_id"]: row for row in runs.lab.alerts(FIRST, FIRST).to_dicts()}
    assert set(rows) == {11, 12, 13, 50}
    assert {number: (row["withheld_reason"] or "")[:7] for number, row in rows.items()} == {
        11: "",
        12: "adopted",
        13: "adopted",
        50: "",
    }
    assert (rows[11]["caller_name"], rows[11]["token_proven_at_call"]) == ("Ada", True)
    assert (report.alerts_on_days, report.dropped_calls) == (4, 0)
    of_day = {key: head for key, head in heads(runs, "alerts_v1").items() if key.startswith(f"day={FIRST}/")}
    assert {key.rpartition("=")[2]: (head.schema_version, head.row_count) for key, head in of_day.items()} == {
        "evm": (2, 0),
        "evm_unknown": (2, 1),
        "solana": (2, 3),
    }
    assert _passed(runs) == [True]
    ids = _adopted_ids(runs)
    events = heads(runs, "alerts_event_v1")[f"day={FIRST}/chain=solana"]
    assert ids & {each.artifact_id for each in runs.lab.artifacts.get_lineage(events.artifact_id).inputs}


def test_an_ingest_leaves_nothing_stale_but_what_the_earlier_store_made(runs: LakeRuns, tmp_path: Path) -> None:
    """Events are made from adopted alerts, and the alerts made from these events take the place of the adopted ones."""
    ingest(runs, tmp_path, (11, FIRST_TOKEN))
    assert [found.artifact.logical_key for found in stale(runs.lab.artifacts).artifacts] == ["experiment=old-1/trades"]
    withdrawn = runs.lab.artifacts.adopted("alerts_v1", f"day={FIRST}/chain=evm")[0]
    runs.lab.artifacts.tombstone(withdrawn.artifact_id, reason="wrong")
    types = {found.artifact.artifact_type for found in stale(runs.lab.artifacts).artifacts}
    assert types == {"experiment_trades", "alerts_event_v1", "alerts_v1", "artifact_set", "token_calls_v1"}


def test_ingesting_again_changes_nothing(runs: LakeRuns, tmp_path: Path) -> None:
    ingest(runs, tmp_path, (11, FIRST_TOKEN))
    before = runs.counts.new
    ingest(runs, tmp_path, (11, FIRST_TOKEN))
    assert runs.counts.new == before


def test_days_beside_the_touched_ones_stay_as_they_were_adopted(runs: LakeRuns, tmp_path: Path) -> None:
    """The second day lies between two touched ones: idle days are taken along otherwise."""
    before = heads(runs, "alerts_v1")
    ingest(runs, tmp_path, (50, SECOND_TOKEN), (51, SECOND_TOKEN, 2))
    after = heads(runs, "alerts_v1")
    assert after[f"day={SECOND}/chain=solana"] == before[f"day={SECOND}/chain=solana"]
    assert [after[f"day={day}/chain=solana"].row_count for day in (FIRST, SECOND, THIRD)] == [3, 1, 2]


def test_a_day_that_no_export_covers_can_be_materialized_from_adopted_calls_alone(runs: LakeRuns) -> None:
    """The third day has adopted alerts and no events."""
    said = ["alert_ts_utc", "alert_id", "chain", "mint", "alert_chat_id", "alert_message_id", "withheld_reason"]
    before = runs.lab.alerts(FIRST, THIRD).select(said)
    runs.materialize_days("", ["alert_events", "alerts"], [date.fromisoformat(day) for day in (SECOND, THIRD)])
    assert runs.lab.alerts(FIRST, THIRD).select(said).equals(before)
    # Events come before alerts, since they know the sender's name as it was written.
    assert runs.lab.alerts(SECOND, THIRD)["caller_name"].to_list() == ["Brook", None]
    assert [heads(runs, "alerts_v1")[f"day={day}/chain=solana"].schema_version for day in (SECOND, THIRD)] == [2, 2]
    (event,) = runs.lab.artifacts.read(
        heads(runs, "alerts_event_v1")[f"day={THIRD}/chain=solana"].artifact_id
    ).to_pylist()
    assert event["content_id"] == "adopted"


@pytest.mark.parametrize(
    ("days", "dropped"), [([FIRST], 3), ([FIRST, SECOND], 4)], ids=["one day", "a range, all of which is judged"]
)
def test_a_run_that_would_drop_adopted_calls_fails_its_check_and_publishes_nothing(
    runs: LakeRuns, monkeypatch: pytest.MonkeyPatch, days: list[str], dropped: int
) -> None:
    """The negative control of the merge: without it the check must hold the run back."""
    monkeypatch.setattr(alert_assets, "with_adopted", lambda events, *_: events)
    before = heads(runs, "alerts_event_v1") | heads(runs, "alerts_v1")
    with pytest.raises(ConflictError, match=r"nothing of it was published: 3 of 3 adopted calls would be") as refused:
        runs.materialize_days("", ["alert_events", "alerts"], [date.fromisoformat(day) for day in days])
    assert "\n" not in str(refused.value)
    assert heads(runs, "alerts_event_v1") | heads(runs, "alerts_v1") == before
    assert _passed(runs) == [False]
    (found,) = runs.instance.event_log_storage.get_asset_check_execution_history(CHECKED, limit=1)
    evaluation = found.event.dagster_event.event_specific_data  # type: ignore[union-attr]
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR  # type: ignore[union-attr]
    assert "would be dropped" in evaluation.description  # type: ignore[union-attr, operator]
    assert evaluation.metadata["dropped_calls"].value == dropped  # type: ignore[union-attr]


def test_alerts_without_their_events_would_drop_calls_and_are_held_back(runs: LakeRuns) -> None:
    """Of the first day the earlier store's events do not know the call on an EVM chain."""
    store = runs.lab.artifacts
    event = heads(runs, "alerts_event_v1")[f"day={FIRST}/chain=solana"]
    assert len(calls_of([read_newest(store, event)])) == 2
    runs.materialize_days("", ["alerts"], [date.fromisoformat(FIRST)])
    assert len(runs.lab.alerts(FIRST, FIRST)) == 3, "the EVM chain's artifact stays beside the new one"
    _publish_without_rows(runs, event)
    with pytest.raises(ConflictError, match="materialize alert_events before alerts"):
        runs.materialize_days("", ["alerts"], [date.fromisoformat(FIRST)])
    runs.materialize_days("", ["alert_events", "alerts"], [date.fromisoformat(FIRST)])
    assert len(runs.lab.alerts(FIRST, FIRST)) == 3


def test_an_adopted_input_that_cannot_be_read_holds_the_day_back(runs: LakeRuns, tmp_path: Path) -> None:
    damaged = heads(runs, "alerts_v1")[f"day={FIRST}/chain=evm"]
    path = Path(damaged.path_parquet)
    path.unlink()
    with pytest.raises(ConflictError, match=f"{damaged.artifact_id}.*--drop-adopted"):
        ingest(runs, tmp_path, (50, SECOND_TOKEN))
    assert heads(runs, "alerts_v1")[f"day={FIRST}/chain=evm"].artifact_id == damaged.artifact_id
    runs.materialize_days("", ["alert_events", "alerts"], [date.fromisoformat(SECOND)])
    assert heads(runs, "alerts_v1")[f"day={SECOND}/chain=solana"].schema_version == 2, "another day is not held back"


def test_dropping_adopted_calls_can_be_asked_for_and_is_said(runs: LakeRuns, tmp_path: Path) -> None:
    report = ingest(runs, tmp_path, (11, FIRST_TOKEN), drop_adopted=True)
    assert report.dropped_calls == 2
    assert runs.lab.alerts(FIRST, FIRST)["alert_message_id"].to_list() == [11]
    (found,) = runs.instance.event_log_storage.get_asset_check_execution_history(CHECKED, limit=1)
    evaluation = found.event.dagster_event.event_specific_data  # type: ignore[union-attr]
    assert evaluation.severity is dg.AssetCheckSeverity.WARN  # type: ignore[union-attr]
    assert "2 of 3 adopted calls would be dropped" in evaluation.description  # type: ignore[union-attr, operator]
    again = ingest(runs, tmp_path, (11, FIRST_TOKEN))
    assert (again.dropped_calls, len(runs.lab.alerts(FIRST, FIRST))) == (0, 3), "they were never gone from the lake"


def test_the_command_drops_only_when_asked(adopted_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = tmp_path / "lake"
    copied_lake(adopted_home, home)
    export = write_export(tmp_path / "result.json", [message(11, FIRST_CALL, FIRST_TOKEN)])
    dropped = call_quantlab("alerts", "ingest", "--drop-adopted", export, home=home)
    assert "dropped as asked for: 2 adopted calls" in dropped.output, dropped.output


def test_sets_series_coverage_and_projection_take_adopted_and_own_data_together(runs: LakeRuns, tmp_path: Path) -> None:
    report = ingest(runs, tmp_path, (50, SECOND_TOKEN))
    refresh_research(runs, report.days)
    store = runs.lab.artifacts
    (alert_set,) = (a for k, a in heads(runs, "artifact_set").items() if k.startswith("of=alerts"))
    assert set(store.read(alert_set.artifact_id)["schema_version"].to_pylist()) == {1, 2}
    calls = store.read(heads(runs, "token_calls_v1")["selection=current"].artifact_id)
    assert calls.num_rows == 6
    series = store.read(heads(runs, "token_candles_v1")[f"token={FIRST_TOKEN}/res=1m"].artifact_id)
    # Slices of two days overlap: from 20:00 on 30 April to midnight of 5 May are 100 hours.
    assert series.num_rows == 100 * 60
    coverage = store.read(heads(runs, "alert_forward_coverage_v1")["selection=current"].artifact_id).to_pylist()
    verdicts = {row["mint"]: row["verdict"] for row in coverage if row["horizon_h"] == 24}
    assert verdicts == {FIRST_TOKEN: "good", SECOND_TOKEN: "good", EVM: "none"}
    mixed = {
        "alerts": [head.artifact_id for head in heads(runs, "alerts_v1").values()],
        "ohlcv": [head.artifact_id for head in heads(runs, "ohlcv_slice_v2").values()],
    }
    built = runs.lab.projections.build(ProjectionRequest("mixed", mixed))
    assert {table.name: table.row_count for table in built.tables} == {"alerts": 6, "ohlcv": 4 * 76 * 60}


def test_the_series_of_every_adopted_token_can_be_materialized(runs: LakeRuns) -> None:
    tokens = runs.instance.get_dynamic_partitions("tokens")
    runs.materialize_keys("", ["token_candles"], TOKENS, tokens)
    runs.materialize("", ["candle_set"])
    assert len(heads(runs, "token_candles_v1")) == 2
    frame = runs.lab.candles(FIRST_TOKEN, FIRST, SECOND)
    assert frame["open"][0] == pytest.approx(1.24), "midnight is 240 minutes after the slice's begin"
    # Merged runs know nothing of days: a slice that changes later is the manifest's matter.
    assert out_of_sync(runs.instance) == set()


def test_keys_outside_the_grammar_break_nothing(tmp_path: Path) -> None:
    """The earlier store took any text for a key."""
    earlier = EarlierStore(tmp_path / "lake")
    earlier.publish("alerts_v1", f"day={FIRST}/chain=solana", alerts([(f"{FIRST}T10:00:00Z", FIRST_TOKEN, 1)]))
    strange = earlier.publish("alerts_v1", "everything", alerts([(f"{FIRST}T11:00:00Z", FIRST_TOKEN, 2)]))
    lab = adopt_lake(tmp_path / "lake").lab
    with dg.DagsterInstance.ephemeral() as instance:
        runs = LakeRuns(lab, instance)
        report = next(each for each in sync_dagster(lab, instance).assets if each.asset == "alerts")
        assert (report.reported, report.outside) == (1, ("everything",))
        runs.materialize("", ["alert_set", "token_calls"])
        assert lab.alerts(FIRST, FIRST)["alert_message_id"].to_list() == [1]
        with pytest.raises(InvalidInputError, match="nobody knows what it is of"):
            create_experiment(runs, ExperimentRequest("x", HOLD_1H, alerts=[strange.artifact_id]))


def test_adopted_calls_of_a_day_are_those_of_both_records(runs: LakeRuns) -> None:
    adopted = adopted_calls(runs.lab.artifacts, FIRST)
    assert calls_of(adopted.tables) == ADOPTED_FIRST
    assert (len(adopted.events), len(adopted.alerts), adopted.unreadable) == (1, 2, ())


def ingest(runs: LakeRuns, folder: Path, *calls: tuple[Any, ...], drop_adopted: bool = False) -> IngestReport:
    """An export of the adopted chat: (message id, token, days after the first at noon)."""
    messages = [
        message(number, FIRST_CALL + timedelta(days=days[0] if days else 0, seconds=number), token)
        for number, token, *days in calls
    ]
    return ingest_telegram_export(runs, write_export(folder / "result.json", messages), drop_adopted=drop_adopted)


def _adopted_ids(runs: LakeRuns) -> set[str]:
    types = ("alerts_v1", "alerts_event_v1", "ohlcv_slice_v2", "experiment_trades")
    return {found.artifact_id for type_ in types for found in runs.lab.artifacts.adopted(type_)}


def _passed(runs: LakeRuns) -> list[bool]:
    found = runs.instance.event_log_storage.get_asset_check_execution_history(CHECKED, limit=1)
    return [each.status.value == "SUCCEEDED" for each in found]


def _publish_without_rows(runs: LakeRuns, head: Artifact) -> None:
    table: pa.Table = ALERT_EVENTS.schema.empty_table()
    writer = Writer("test", "1", "0" * 40, False)
    runs.lab.artifacts.publish(PublishRequest(ALERT_EVENTS.name, 2, head.logical_key, table, writer))
