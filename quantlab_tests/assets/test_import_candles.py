"""Candle files come in: valid rows are stored, bad ones kept apart with their reason, series follow what changed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.workflows.import_candles import import_candle_file, import_candle_files
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.artifacts.artifact import ArtifactStatus, PublishRequest, Writer
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.candle_declaration import CandleFileDeclaration
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import (
    FIRST,
    SECOND,
    artifacts,
    heads,
    is_untouched,
    minutes,
    rows,
    write_candles,
    write_export,
)
from quantlab_tests.core.alerts.invented_chat import NOON, exported, mint
from quantlab_tests.resources.artifacts.lakes import candles

OWL, FOX = mint("owl"), mint("fox")
SPAN = CandleFileDeclaration(span_from=NOON - timedelta(hours=1), span_to=NOON + timedelta(hours=6))

HAND_MADE = {"resolution": "1m", "source": "file", "source_spans": "[]", "price_unit": "usd", "volume_unit": "usd"}


@pytest.fixture
def runs(lab: Lab, instance: dg.DagsterInstance) -> LakeRuns:
    return LakeRuns(lab, instance)


def test_valid_rows_are_stored_and_bad_rows_kept_apart_with_their_reason(runs: LakeRuns, tmp_path: Path) -> None:
    good = minutes([1.0, 1.1, 1.2, 1.3])
    high_below_low = (NOON + timedelta(minutes=10), 1.0, 0.5, 0.9, 1.0)
    no_price = (NOON + timedelta(minutes=11), 0.0, 1.0, 0.0, 1.0)
    path = write_candles(tmp_path / "owl.csv", {OWL: [*good, high_below_low, no_price]})
    imported = import_candle_file(runs, path, CandleFileDeclaration())
    assert (imported.candles, imported.quarantined) == (4, 2)
    assert (imported.first_ts, imported.last_ts) == (NOON, NOON + timedelta(minutes=3))
    assert [row["close"] for row in rows(runs, "imported_candles_v1")] == [1.0, 1.1, 1.2, 1.3]
    assert [row["row_number"] for row in rows(runs, "candles_quarantine_v1")] == [5, 6]
    assert all(row["reason"] for row in rows(runs, "candles_quarantine_v1"))
    assert runs.instance.get_dynamic_partitions("candle_files") == [imported.file]


def test_candles_change_the_days_whose_windows_they_reach(runs: LakeRuns, tmp_path: Path) -> None:
    """A day's slices hold [day - 4 h, day + 72 h): candles of noon belong to the two days before and to their own."""
    at_noon = import_candle_file(runs, write_candles(tmp_path / "a.csv", {OWL: minutes([1.0])}), SPAN)
    assert at_noon.cohort_days() == {date(2025, 4, 29), date(2025, 4, 30), date(2025, 5, 1)}
    late = minutes([1.0], start=NOON + timedelta(hours=8))
    declared = CandleFileDeclaration(span_from=NOON, span_to=NOON + timedelta(days=1))
    at_eight = import_candle_file(runs, write_candles(tmp_path / "b.csv", {OWL: late}), declared)
    assert at_eight.cohort_days() == {date(2025, 4, 29), date(2025, 4, 30), date(2025, 5, 1), date(2025, 5, 2)}


def test_a_file_without_a_valid_row_leaves_no_trace(runs: LakeRuns, tmp_path: Path) -> None:
    upside_down = [(ts, open_, 0.5, 0.9, close) for ts, open_, _, _, close in minutes([1.0, 1.0, 1.0])]
    bad = write_candles(tmp_path / "bad.csv", {OWL: upside_down})
    with pytest.raises(CandleFileError, match=r"bad\.csv: not one of its 3 rows is valid"):
        import_candle_file(runs, bad, CandleFileDeclaration())
    assert is_untouched(runs, {})
    assert runs.instance.get_dynamic_partitions("candle_files") == []


def test_one_bad_file_does_not_stop_the_others(runs: LakeRuns, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("not,a,candle\n1,2,3\n")
    good = [write_candles(tmp_path / f"{name}.csv", {mint(name): minutes([1.0])}) for name in ("owl", "fox")]
    intake = import_candle_files(runs, [good[0], bad, good[1]], SPAN)
    assert [report.path for report in intake.accepted] == good
    assert [(refused.path, type(refused.error)) for refused in intake.refused] == [(bad, CandleFileError)]
    assert len(heads(runs, "imported_candles_v1")) == 2


def test_the_same_file_again_adds_nothing(runs: LakeRuns, tmp_path: Path) -> None:
    path = write_candles(tmp_path / "a.csv", {OWL: minutes([1.0, 1.1])})
    first = import_candle_file(runs, path, SPAN)
    before, new = artifacts(runs), runs.counts.new
    assert import_candle_file(runs, path, SPAN) == first
    assert is_untouched(runs, before)
    assert runs.counts.new == new


def test_another_declaration_of_the_same_file_takes_the_place_of_the_first(runs: LakeRuns, tmp_path: Path) -> None:
    path = write_candles(tmp_path / "a.csv", {OWL: minutes([1.0, 1.1])})
    import_candle_file(runs, path, CandleFileDeclaration())
    ((key, first),) = heads(runs, "imported_candles_v1").items()
    import_candle_file(runs, path, SPAN)
    ((same_key, second),) = heads(runs, "imported_candles_v1").items()
    assert (key, first.artifact_id != second.artifact_id) == (same_key, True)
    assert runs.lab.artifacts.get_artifact(first.artifact_id).status is ArtifactStatus.SUPERSEDED


def test_a_second_file_extends_the_series_of_its_token_and_leaves_the_other(runs: LakeRuns, tmp_path: Path) -> None:
    export = write_export(tmp_path / "a.json", exported(10, OWL), exported(11, FOX, at=60))
    days = ingest_telegram_export(runs, export).days
    first = write_candles(tmp_path / "a.csv", {OWL: minutes([1.0, 1.1]), FOX: minutes([5.0, 5.1])})
    import_candle_file(runs, first, SPAN)
    refresh_research(runs, days)
    fox, owl = (heads(runs, "token_candles_v1")[f"token={token}/res=1m"] for token in (FOX, OWL))
    more = write_candles(tmp_path / "b.csv", {OWL: minutes([1.2, 1.3], start=NOON + timedelta(minutes=2))})
    refresh_research(runs, import_candle_file(runs, more, SPAN).cohort_days())
    series = heads(runs, "token_candles_v1")
    assert series[f"token={FOX}/res=1m"] == fox
    assert runs.lab.artifacts.get_artifact(owl.artifact_id).status is ArtifactStatus.SUPERSEDED
    closes = runs.lab.artifacts.read(series[f"token={OWL}/res=1m"].artifact_id)["close"].to_pylist()
    assert closes == [1.0, 1.1, 1.2, 1.3]
    (candle_set,) = [head for key, head in heads(runs, "artifact_set").items() if key.startswith("of=candles/")]
    members = set(runs.lab.artifacts.read(candle_set.artifact_id)["artifact_id"].to_pylist())
    assert members == {head.artifact_id for head in series.values()}


def test_a_slice_that_was_exported_by_hand_does_not_stop_the_days(runs: LakeRuns, tmp_path: Path) -> None:
    """Slices of an older lake have windows of their own; they belong to no day, and their series take them in."""
    days = ingest_telegram_export(runs, write_export(tmp_path / "a.json", exported(10, OWL))).days
    by_hand = PublishRequest(
        artifact_type="ohlcv_slice_v2",
        schema_version=3,
        logical_key=f"token={OWL}/res=1m/from=2025-05-01T10:00:00Z/to=2025-05-01T11:00:00Z",
        data=with_attributes(candles([7.0], OWL), HAND_MADE),
        writer=Writer("test", "1", "0" * 40, False),
    )
    runs.lab.artifacts.publish(by_hand)
    import_candle_file(runs, write_candles(tmp_path / "a.csv", {OWL: minutes([1.0, 1.1])}), SPAN)
    refresh_research(runs, days)
    (series,) = heads(runs, "token_candles_v1").values()
    assert series.row_count >= 2


def test_calls_without_candles_have_no_slices_and_no_coverage_is_invented(runs: LakeRuns, tmp_path: Path) -> None:
    days = ingest_telegram_export(runs, write_export(tmp_path / "a.json", exported(10, OWL))).days
    refresh_research(runs, days)
    assert heads(runs, "ohlcv_slice_v2") == {}
    import_candle_file(runs, write_candles(tmp_path / "a.csv", {FOX: minutes([1.0])}), SPAN)
    refresh_research(runs, days)
    assert heads(runs, "ohlcv_slice_v2") == {}
    assert {FIRST, SECOND} & {key[4:14] for key in heads(runs, "alerts_v1")} == {FIRST}
