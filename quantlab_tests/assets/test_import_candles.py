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
from quantlab_core.errors import CandleFileError, InvalidInputError, NotFoundError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
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


def owl_file(path: Path, closes: list[float], *, volume: str = "10", start: timedelta = timedelta()) -> Path:
    """Flat candles of one volume, a minute apart."""
    lines = ["mint,chain,ts,open,high,low,close,volume"]
    for number, close in enumerate(closes):
        ts = NOON + start + timedelta(minutes=number)
        lines.append(f"{OWL},solana,{ts.isoformat()},{close},{close},{close},{close},{volume}")
    path.write_text("\n".join(lines) + "\n")
    return path


def series_of_owl(runs: LakeRuns) -> list[tuple[float, float]]:
    (head,) = heads(runs, "token_candles_v1").values()
    table = runs.lab.artifacts.read(head.artifact_id)
    return list(zip(table["close"].to_pylist(), table["volume"].to_pylist(), strict=True))


def test_a_corrected_file_replaces_the_earlier_one_even_downwards(runs: LakeRuns, tmp_path: Path) -> None:
    """The later fetch has less volume and lost a minute: by the rule for duplicates the false trade would stay."""
    days = ingest_telegram_export(runs, write_export(tmp_path / "a.json", exported(10, OWL))).days
    false_trade = import_candle_file(runs, owl_file(tmp_path / "a.csv", [1.0, 9.0, 1.0], volume="70"), SPAN)
    refresh_research(runs, days)
    assert series_of_owl(runs) == [(1.0, 70.0), (9.0, 70.0), (1.0, 70.0)]
    corrected = owl_file(tmp_path / "b.csv", [1.0, 1.1])
    later = import_candle_file(runs, corrected, SPAN, replaces=false_trade.file)
    refresh_research(runs, later.cohort_days())
    assert series_of_owl(runs) == [(1.0, 10.0), (1.1, 10.0)]
    assert later.replaced == false_trade.file
    replaced, current = (heads(runs, "imported_candles_v1")[f"file={key}"] for key in (false_trade.file, later.file))
    assert (replaced.row_count, current.row_count) == (0, 2)
    inputs = {artifact.artifact_id for artifact in runs.lab.artifacts.get_lineage(replaced.artifact_id).inputs}
    assert current.artifact_id in inputs


def test_a_replacement_can_be_repeated_and_reaches_the_days_of_both_files(runs: LakeRuns, tmp_path: Path) -> None:
    first = import_candle_file(runs, owl_file(tmp_path / "a.csv", [1.0]), CandleFileDeclaration())
    moved = owl_file(tmp_path / "b.csv", [1.0], start=timedelta(days=9))
    once = import_candle_file(runs, moved, CandleFileDeclaration(), replaces=str(first.path))
    assert first.cohort_days() | {date(2025, 5, 10)} <= once.cohort_days()
    before = artifacts(runs)
    assert import_candle_file(runs, moved, CandleFileDeclaration(), replaces=first.file[:6]) == once
    assert is_untouched(runs, before)


def test_a_replaced_file_says_so_and_can_be_brought_back(runs: LakeRuns, tmp_path: Path) -> None:
    path = owl_file(tmp_path / "a.csv", [1.0])
    old = import_candle_file(runs, path, CandleFileDeclaration())
    new = import_candle_file(runs, owl_file(tmp_path / "b.csv", [2.0]), CandleFileDeclaration(), replaces=old.file)
    with pytest.raises(CandleFileError, match=f"was replaced by file {new.file}; to bring it back"):
        import_candle_file(runs, path, CandleFileDeclaration())
    import_candle_file(runs, path, CandleFileDeclaration(), replaces=new.file)
    assert [row["close"] for row in rows(runs, "imported_candles_v1")] == [1.0]


def test_a_run_that_says_nothing_repeats_what_the_last_import_said(runs: LakeRuns, tmp_path: Path) -> None:
    """As from the UI: neither the declared span nor a replacement may get lost."""
    old = import_candle_file(runs, owl_file(tmp_path / "a.csv", [1.0]), CandleFileDeclaration())
    new = import_candle_file(runs, owl_file(tmp_path / "b.csv", [2.0]), SPAN, replaces=old.file)
    before = heads(runs, "imported_candles_v1")
    for file in (old.file, new.file):
        runs.materialize_partition("Again", ["imported_candles", "candles_quarantine"], file)
    assert heads(runs, "imported_candles_v1") == before


def test_a_file_replaces_another_only_if_it_holds_all_of_its_tokens(runs: LakeRuns, tmp_path: Path) -> None:
    both = write_candles(tmp_path / "a.csv", {OWL: minutes([1.0]), FOX: minutes([5.0])})
    old = import_candle_file(runs, both, CandleFileDeclaration())
    before = artifacts(runs)
    one = owl_file(tmp_path / "b.csv", [2.0])
    with pytest.raises(CandleFileError, match=rf"no candles of solana:{FOX}, which file {old.file} has"):
        import_candle_file(runs, one, CandleFileDeclaration(), replaces=old.file)
    with pytest.raises(NotFoundError, match="imported file 'feed' not found"):
        import_candle_file(runs, one, CandleFileDeclaration(), replaces="feed")
    with pytest.raises(CandleFileError, match="is the very file that it would replace"):
        import_candle_file(runs, both, CandleFileDeclaration(), replaces=old.file)
    with pytest.raises(InvalidInputError, match="one file replaces another; 2 were given"):
        import_candle_files(runs, [one, both], CandleFileDeclaration(), replaces=old.file)
    assert is_untouched(runs, before)


def test_two_fetches_side_by_side_are_merged_and_the_conflict_is_counted(runs: LakeRuns, tmp_path: Path) -> None:
    days = ingest_telegram_export(runs, write_export(tmp_path / "a.json", exported(10, OWL))).days
    for name, closes, volume in (("a", [1.0, 1.1], "5"), ("b", [1.0, 1.2, 1.3], "9")):
        import_candle_file(runs, owl_file(tmp_path / f"{name}.csv", closes, volume=volume), SPAN)
    refresh_research(runs, days)
    assert series_of_owl(runs) == [(1.0, 9.0), (1.2, 9.0), (1.3, 9.0)]
