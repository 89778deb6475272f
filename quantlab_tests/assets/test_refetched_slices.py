"""Slices through real runs: fetched again with a difference, refused, rejected, coarser, or not answered at all."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quantlab_assets.partitions import TOKENS, day_of
from quantlab_assets.workflows.import_candles import import_candle_file
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import RefreshReport, refresh_research
from quantlab_assets.workflows.sync_dagster import sync_dagster
from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.candles.candle_source import RejectedCandle
from quantlab_core.candles.slice_revision import RevisionCounts
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.errors import CandleSourceError
from quantlab_resources.artifacts.upkeep.staleness import stale
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts
from quantlab_resources.lab import Lab
from quantlab_tests.assets.badges import out_of_sync
from quantlab_tests.assets.held_candles import HeldCandles
from quantlab_tests.assets.small_inputs import DAY_S, FIRST, SECOND, heads, minutes, rows, write_candles, write_export
from quantlab_tests.core.alerts.invented_chat import NOON, exported, mint

OWL, FOX, ELK = mint("owl"), mint("fox"), mint("elk")
DAY = {day_of(FIRST)}
SLICES = ["ohlcv_slices", "slice_quarantine", "slice_revisions"]
SPAN = SourceSpan(NOON - timedelta(hours=2), NOON + timedelta(hours=2))


def held(minute: int, close: float = 1.0, volume: float | None = 10.0, token: str = OWL) -> dict[str, object]:
    """A candle so many minutes after noon that opens, and has its low, at 1."""
    ts = NOON + timedelta(minutes=minute)
    prices = {"open": 1.0, "high": max(1.0, close), "low": 1.0, "close": close}
    return {"token_address": token, "chain": "solana", "ts": ts, **prices, "volume": volume}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[LakeRuns]:
    """A lake with a call of owl and one of fox on the first day."""
    with dg.DagsterInstance.ephemeral() as instance:
        runs = LakeRuns(Lab.create(tmp_path / "lake"), instance)
        calls = (exported(10, OWL), exported(11, FOX, at=60))
        ingest_telegram_export(runs, write_export(tmp_path / "export.json", *calls))
        yield runs


@pytest.fixture
def source(runs: LakeRuns) -> HeldCandles:
    """What the lake's candle source is from now on: owl has three candles and fox has one."""
    found = HeldCandles(SPAN)
    found.candles = {(OWL, "1m"): [held(0), held(1), held(2)], (FOX, "1m"): [held(0, token=FOX)]}
    vars(runs.lab)["candle_source"] = found
    return found


def cut(runs: LakeRuns, *days: str) -> None:
    """Fetch slices of the days and nothing further: what rests on them is no matter of the test."""
    runs.materialize_days("", SLICES, {day_of(day) for day in days or [FIRST]})


def changes(runs: LakeRuns) -> list[tuple[str, str]]:
    """Token and kind of every change that the current revisions tell, in order."""
    store = runs.lab.artifacts
    return sorted(
        (head.logical_key.split("/")[0].removeprefix("token="), change)
        for head in store.heads("slice_revisions_v1")
        for change in store.read(head.artifact_id)["change"].to_pylist()
    )


def slices(runs: LakeRuns) -> dict[str, Artifact]:
    """By token and resolution."""
    found = heads(runs, "ohlcv_slice_v2").values()
    return {"/".join(head.logical_key.split("/")[:2]): head for head in found}


def owl(runs: LakeRuns) -> Artifact:
    return slices(runs)[f"token={OWL}/res=1m"]


def newest(runs: LakeRuns, asset: str, partition: str) -> dict[str, Any]:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
    (record,) = runs.instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_slice_that_is_fetched_again_with_a_difference_supersedes_and_says_row_by_row_what_changed(
    runs: LakeRuns, source: HeldCandles
) -> None:
    assert refresh_research(runs, DAY) == RefreshReport()
    assert heads(runs, "slice_revisions_v1") == {}
    first = owl(runs)
    source.candles[OWL, "1m"] = [held(0), held(2, close=1.5, volume=30.0), held(3), held(4, volume=None)]
    report = refresh_research(runs, DAY)
    assert report == RefreshReport(1, RevisionCounts(added=2, removed=1, changed=1))
    second = owl(runs)
    ((key, revision),) = heads(runs, "slice_revisions_v1").items()
    assert key == second.logical_key == first.logical_key
    table = runs.lab.artifacts.read(revision.artifact_id)
    assert [(row["ts"], row["change"], row["old_close"], row["new_close"]) for row in table.to_pylist()] == [
        (NOON + timedelta(minutes=1), "removed", 1.0, None),
        (NOON + timedelta(minutes=2), "changed", 1.0, 1.5),
        (NOON + timedelta(minutes=3), "added", None, 1.0),
        (NOON + timedelta(minutes=4), "added", None, 1.0),
    ]
    stated = attributes_of(table)
    assert (stated["superseded_id"], stated["slice_id"]) == (first.artifact_id, second.artifact_id)
    shown = newest(runs, "slice_revisions", FIRST)
    assert {name: shown[name] for name in shown if name.startswith(("slices_", "candles_"))} == {
        "slices_revised": 1, "candles_added": 2, "candles_removed": 1, "candles_changed": 1,
    }  # fmt: skip
    # The record of a change is made from the slice that is current, and is not stale because of the other.
    inputs = runs.lab.artifacts.get_lineage(revision.artifact_id).inputs
    assert [artifact.artifact_id for artifact in inputs] == [second.artifact_id]
    assert stale(runs.lab.artifacts).artifacts == ()
    assert out_of_sync(runs.instance) == set()
    assert sync_dagster(runs.lab, runs.instance).reported == 0


def test_fetching_again_without_a_difference_changes_nothing(runs: LakeRuns, source: HeldCandles) -> None:
    refresh_research(runs, DAY)
    source.candles[OWL, "1m"][1:] = [held(1, close=2.0)]
    refresh_research(runs, DAY)
    new = runs.counts.new
    assert refresh_research(runs, DAY) == RefreshReport()
    assert runs.counts.new == new


def test_a_key_that_goes_back_to_what_it_was_is_compared_with_what_it_was_last(
    runs: LakeRuns, source: HeldCandles
) -> None:
    first = source.candles[OWL, "1m"]
    for candles in (first, [held(0)], first):
        source.candles[OWL, "1m"] = candles
        cut(runs)
    assert changes(runs) == [(OWL, "added"), (OWL, "added")]


def test_the_record_stays_when_the_bytes_of_the_superseded_slice_are_gone(runs: LakeRuns, source: HeldCandles) -> None:
    cut(runs)
    first = owl(runs)
    source.candles[OWL, "1m"] = [held(0)]
    cut(runs)
    before = heads(runs, "slice_revisions_v1")
    Path(first.path_parquet).unlink()
    runs.materialize_days("", ["slice_revisions"], DAY)
    assert heads(runs, "slice_revisions_v1") == before
    assert newest(runs, "slice_revisions", FIRST)["candles_removed"] == 2


def test_rows_that_are_no_candles_are_quarantined_and_every_token_goes_on(runs: LakeRuns, source: HeldCandles) -> None:
    row = json.dumps({"ts": "2025-05-01 12:05:00", "high": 0.5, "low": 1.0})
    bad = RejectedCandle(OWL, "solana", NOON + timedelta(minutes=5), "high_below_low", 1, "high is below low", row)
    source.rejections[OWL] = (bad, bad)
    cut(runs)
    assert {key: head.row_count for key, head in slices(runs).items()} == {
        f"token={OWL}/res=1m": 3, f"token={FOX}/res=1m": 1,
    }  # fmt: skip
    found = rows(runs, "slice_quarantine_v1")
    assert [(r["token_address"], r["resolution"], r["rule_id"], r["payload"]) for r in found] == [
        (OWL, "1m", "high_below_low", row)
    ] * 2
    assert newest(runs, "ohlcv_slices", FIRST)["rejected_rows"] == 2
    assert newest(runs, "slice_quarantine", FIRST)["rejected_by_rule"].records[0].data == {
        "rule": "high_below_low", "rows": 2,
    }  # fmt: skip
    source.rejections.clear()
    cut(runs)
    assert rows(runs, "slice_quarantine_v1") == []


def test_the_source_is_told_which_run_asks_and_which_pool_a_call_named(
    runs: LakeRuns, source: HeldCandles, tmp_path: Path
) -> None:
    pool = mint("pool")
    link = f"https://dexscreener.com/solana/{pool}"
    ingest_telegram_export(runs, write_export(tmp_path / "more.json", exported(12, link, at=120)))
    cut(runs)
    (asked,) = [request for request in source.asked if request.token_address == pool and request.resolution == "1m"]
    assert asked.pool_address == pool
    assert {request.pool_address for request in source.asked if request.token_address == OWL} == {None}
    (run_id,) = source.asked_by
    assert runs.instance.get_run_by_id(run_id) is not None


def test_a_token_without_candles_of_a_minute_gets_the_finest_that_there_are(
    runs: LakeRuns, source: HeldCandles
) -> None:
    source.name = "file"
    source.candles = {
        (OWL, "1h"): [held(0)],
        (OWL, "4h"): [held(0)],
        (FOX, "1m"): [],
        (FOX, "1h"): [held(0, token=FOX)],
    }
    cut(runs)
    assert set(slices(runs)) == {f"token={OWL}/res=1h", f"token={FOX}/res=1m"}
    source.candles[OWL, "1m"] = [held(0)]
    del source.candles[OWL, "1h"]
    cut(runs)
    assert {key: head.row_count for key, head in slices(runs).items()} == {
        f"token={OWL}/res=1h": 0, f"token={OWL}/res=1m": 1, f"token={FOX}/res=1m": 0,
    }  # fmt: skip


def test_the_resolutions_to_ask_for_can_be_limited(runs: LakeRuns, source: HeldCandles) -> None:
    source.candles = {(OWL, "1h"): [held(0)], (FOX, "1m"): [held(0, token=FOX)]}
    config = {"ops": {"ohlcv_slices": {"config": {"resolutions": ["1m"]}}}}
    runs.materialize_days("", SLICES, DAY, config=config)
    assert set(slices(runs)) == {f"token={FOX}/res=1m"}
    assert {request.resolution for request in source.asked} == {"1m"}


def test_a_source_that_fails_stops_the_day_and_leaves_nothing_of_it(
    runs: LakeRuns, source: HeldCandles, tmp_path: Path
) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "more.json", exported(20, ELK, at=DAY_S)))
    cut(runs)
    before = heads(runs, "ohlcv_slice_v2")
    source.candles[ELK, "1m"] = [held(1440, token=ELK)]
    source.fails = True
    with pytest.raises(CandleSourceError, match="hung up"):
        cut(runs, FIRST, SECOND)
    assert heads(runs, "ohlcv_slice_v2") == before
    assert set(heads(runs, "slice_quarantine_v1")) == {f"day={FIRST}"}


def test_a_token_whose_files_state_other_units_is_named_and_left_and_the_others_go_on(
    runs: LakeRuns, tmp_path: Path
) -> None:
    window = {"span_from": NOON - timedelta(hours=1), "span_to": NOON + timedelta(hours=1)}
    usd = write_candles(tmp_path / "usd.csv", {OWL: minutes([1.0, 1.1]), FOX: minutes([5.0])})
    import_candle_file(runs, usd, CandleFileDeclaration(**window))
    cut(runs)
    first = owl(runs)
    sol = write_candles(
        tmp_path / "sol.csv",
        {OWL: minutes([0.01], start=NOON + timedelta(minutes=5)), FOX: minutes([5.0], start=NOON + timedelta(days=9))},
    )
    late = CandleFileDeclaration(resolution="1m", price_unit="sol", volume_unit="sol")
    import_candle_file(runs, sol, late)
    cut(runs)
    assert owl(runs) == first
    assert {head.row_count for head in slices(runs).values()} == {2, 1}
    (row,) = rows(runs, "slice_quarantine_v1")
    assert (row["token_address"], row["rule_id"], row["ts"]) == (OWL, "units_contradict", None)
    assert "price unit as sol" in row["reason"]
    assert [(refusal.subject, refusal.partition) for refusal in runs.refusals] == [(f"solana:{OWL}", FIRST)]
    assert newest(runs, "ohlcv_slices", FIRST)["tokens_refused"] == 1
    import_candle_file(runs, sol, CandleFileDeclaration(resolution="1m"))
    cut(runs)
    assert rows(runs, "slice_quarantine_v1") == []
    assert owl(runs).artifact_id != first.artifact_id


def test_slices_that_contradict_each_other_keep_one_token_from_being_merged_and_no_other(
    runs: LakeRuns, source: HeldCandles
) -> None:
    tokens = [f"solana:{OWL}", f"solana:{FOX}"]
    cut(runs)
    runs.materialize_keys("", ["token_candles"], TOKENS, tokens)
    before = heads(runs, "token_candles_v1")
    _publish_by_hand(runs, price_unit="sol")
    source.candles[FOX, "1m"].append(held(7, token=FOX))
    cut(runs)
    runs.materialize_keys("", ["token_candles"], TOKENS, tokens)
    after = heads(runs, "token_candles_v1")
    assert after[f"token={OWL}/res=1m"] == before[f"token={OWL}/res=1m"]
    assert after[f"token={FOX}/res=1m"].row_count == 2
    (refusal,) = runs.refusals
    assert (refusal.asset, refusal.subject) == ("token_candles", f"solana:{OWL} 1m")
    assert "price unit sol and usd" in refusal.reason


def test_candles_stay_when_another_source_does_not_know_their_token(
    runs: LakeRuns, source: HeldCandles, tmp_path: Path
) -> None:
    """QUANTLAB_CANDLES named a folder with owl and fox, and is forgotten: one file, of fox alone, was imported."""
    source.name = "folder"
    refresh_research(runs, DAY)
    first, series = owl(runs), heads(runs, "token_candles_v1")[f"token={OWL}/res=1m"]
    del vars(runs.lab)["candle_source"]
    window = CandleFileDeclaration(span_from=NOON, span_to=NOON + timedelta(hours=1))
    import_candle_file(runs, write_candles(tmp_path / "fox.csv", {FOX: minutes([5.0, 5.0])}), window)
    refresh_research(runs, DAY)
    assert owl(runs) == first
    assert heads(runs, "token_candles_v1")[f"token={OWL}/res=1m"] == series
    assert slices(runs)[f"token={FOX}/res=1m"].row_count == 2
    assert [(refusal.subject, refusal.reason) for refusal in runs.refusals] == [
        (f"solana:{OWL}", "file has no 1m candles of it; what folder gave stays")
    ]
    assert newest(runs, "ohlcv_slices", FIRST)["slices_kept"] == 1
    assert out_of_sync(runs.instance) == set()
    assert sync_dagster(runs.lab, runs.instance).reported == 0


def test_candles_stay_when_their_own_database_has_let_them_go(runs: LakeRuns, source: HeldCandles) -> None:
    source.name = "clickhouse"
    cut(runs)
    before = heads(runs, "ohlcv_slice_v2")
    del source.candles[OWL, "1m"]
    source.candles[FOX, "1m"] = []
    cut(runs)
    assert heads(runs, "ohlcv_slice_v2") == before
    assert {refusal.subject for refusal in runs.refusals} == {f"solana:{OWL}", f"solana:{FOX}"}


def test_a_slice_that_cannot_be_read_stays_when_there_is_nothing_to_put_in_its_place(
    runs: LakeRuns, source: HeldCandles
) -> None:
    cut(runs)
    first = owl(runs)
    Path(first.path_parquet).write_bytes(b"damaged")
    source.name = "file"
    del source.candles[OWL, "1m"]
    runs.materialize_days("", ["ohlcv_slices", "slice_quarantine"], DAY)
    assert owl(runs) == first
    (refusal,) = runs.refusals
    assert "its current slice cannot be read" in refusal.reason


def test_a_process_that_goes_on_keeps_nothing_of_a_finished_run(runs: LakeRuns, source: HeldCandles) -> None:
    of_others = _upstream_artifacts()  # Dagster's record types keep the step in which they are first used
    cut(runs)
    assert not [one for one in _upstream_artifacts() if all(one is not other for other in of_others)]


def test_a_series_that_is_made_by_itself_shows_its_chart_and_its_quality(runs: LakeRuns, source: HeldCandles) -> None:
    source.candles[OWL, "1m"] = [held(0), held(3, volume=0.0), held(9)]
    cut(runs)
    runs.materialize_keys("", ["token_candles"], TOKENS, [f"solana:{OWL}", f"solana:{FOX}"])
    together = newest(runs, "token_candles", f"solana:{OWL}")
    assert not {"chart", "calls_in_chart"} & together.keys()
    assert together["silent_intervals"] == 120 + 2 + 5  # the two hours before noon, minutes 1 and 2, and 4 to 8
    runs.materialize_keys("", ["token_candles"], TOKENS, [f"solana:{OWL}"])
    alone = newest(runs, "token_candles", f"solana:{OWL}")
    assert alone["chart"].startswith("![Price, volume and calls](data:image/png;base64,")
    assert alone["calls_in_chart"] == 1
    told = ("slices_merged", "conflicting_candles", "traded_candles", "unasked_intervals", "resolution", "units")
    assert [alone[name] for name in told] == [1, 0, 2, 0, "1m", "price in usd, volume in usd, from test"]


def test_a_run_over_several_days_compares_the_slices_of_each(
    runs: LakeRuns, source: HeldCandles, tmp_path: Path
) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "more.json", exported(20, ELK, at=DAY_S)))
    source.name, source.span = "file", SourceSpan(NOON, NOON + timedelta(days=2))
    source.candles[ELK, "1m"] = [held(1440, token=ELK)]
    cut(runs, FIRST, SECOND)
    source.candles[ELK, "1m"], source.candles[OWL, "1m"] = [], [held(0), held(1), held(2), held(5)]
    cut(runs, FIRST, SECOND)
    assert changes(runs) == sorted([(OWL, "added"), (ELK, "removed")])


def _upstream_artifacts() -> list[UpstreamArtifacts]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is UpstreamArtifacts]


def _publish_by_hand(runs: LakeRuns, **attributes: str) -> None:
    store = runs.lab.artifacts
    table = store.read(owl(runs).artifact_id)
    key = f"token={OWL}/res=1m/from=2025-05-01T10:00:00Z/to=2025-05-01T11:00:00Z"
    changed = with_attributes(table, attributes_of(table) | attributes)
    store.publish(PublishRequest("ohlcv_slice_v2", 3, key, changed, Writer("test", "1", "0" * 40, False)))
