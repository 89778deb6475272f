"""Coverage in the graph: three tables of one look, the worklist that follows, and asking for it again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quantlab_assets.coverage import COVERAGE_NAMES
from quantlab_assets.definitions import build_defs
from quantlab_assets.workflows.fetch_gaps import fetch_gaps
from quantlab_assets.workflows.import_candles import import_candle_file
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.coverage.worklist import Worklist
from quantlab_core.errors import InvalidInputError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.coverage.configured_thresholds import GOOD_VARIABLE
from quantlab_resources.coverage.current_coverage import current_coverage, current_worklist
from quantlab_resources.lab import Lab, lab_at
from quantlab_tests.assets.held_candles import HeldCandles
from quantlab_tests.assets.small_inputs import minutes, write_candles
from quantlab_tests.assets.small_research import ELK, HEN, NEXT_NOON, small_research
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.core.alerts.invented_chat import NOON

HEN_DAY = date(2025, 5, 3)
HEN_NOON = NOON + timedelta(days=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    """Four calls of which hen's, on the third day, has no candles. Nobody changes this lake."""
    with small_research(tmp_path_factory.mktemp("kept")) as made:
        yield made


@pytest.fixture
def runs(kept: LakeRuns, tmp_path: Path) -> Iterator[LakeRuns]:
    """A copy of it."""
    home = copied_lake(kept.lab.paths.home, tmp_path / "lake")
    with dg.DagsterInstance.ephemeral() as instance:
        yield LakeRuns(Lab(home), instance)


def head(runs: LakeRuns, artifact_type: str) -> Any:
    (found,) = runs.lab.artifacts.heads(artifact_type)
    return found


def listed(runs: LakeRuns, **options: Any) -> Worklist:
    found = current_worklist(runs.lab, **options)
    assert found is not None
    return found


def import_hen(runs: LakeRuns, folder: Path, *, days: float) -> None:
    """Candles of hen whose source was asked from an hour before the call until so many days after it."""
    declared = CandleFileDeclaration(
        span_from=HEN_NOON - timedelta(hours=1), span_to=HEN_NOON + timedelta(days=days), resolution="1m"
    )
    import_candle_file(runs, write_candles(folder / "hen.csv", {HEN: minutes([1.0] * 90, start=HEN_NOON)}), declared)


def slices_asked(runs: LakeRuns) -> dict[str, int]:
    """How often each day's slices were asked for."""
    store = runs.lab.artifacts
    return {
        found.logical_key: len(store.publications(found.artifact_id)) for found in store.heads("slice_quarantine_v1")
    }


def test_the_three_tables_are_published_together_from_the_same_sets(kept: LakeRuns) -> None:
    store = kept.lab.artifacts
    found = [head(kept, f"{name}_v1") for name in COVERAGE_NAMES]
    records = [store.publications(one.artifact_id)[-1] for one in found]
    assert len({(record.run_id, record.at, record.input_artifact_ids) for record in records}) == 1
    assert {store.get_artifact(one).logical_key for one in records[0].input_artifact_ids} == {
        "of=alerts/selection=current",
        "of=candles/selection=current",
    }
    forward, gaps, summary = (store.read(one.artifact_id) for one in found)
    assert (forward.num_rows, gaps.num_rows) == (4 * 5, 1)
    assert sum(row["alerts"] for row in summary.to_pylist()) == forward.num_rows


def test_measuring_the_same_sets_again_gives_the_same_artifacts(runs: LakeRuns) -> None:
    before = [head(runs, f"{name}_v1").artifact_id for name in COVERAGE_NAMES]
    runs.materialize("again", COVERAGE_NAMES)
    assert [head(runs, f"{name}_v1").artifact_id for name in COVERAGE_NAMES] == before


def test_thresholds_of_a_run_are_in_provenance_and_content(runs: LakeRuns) -> None:
    before = head(runs, "coverage_summary_v1").artifact_id
    config = {"ops": {"coverage": {"config": {"good": 0.5, "partial": 0.25}}}}
    runs.materialize("leniently", COVERAGE_NAMES, config=config)
    summary = head(runs, "coverage_summary_v1")
    assert summary.artifact_id != before
    assert dict(runs.lab.artifacts.publications(summary.artifact_id)[-1].params) == {"good": 0.5, "partial": 0.25}
    stated = attributes_of(runs.lab.artifacts.read(summary.artifact_id))
    assert (stated["good"], stated["partial"]) == ("0.5", "0.25")


def test_thresholds_of_the_environment_are_taken_and_checked(runs: LakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GOOD_VARIABLE, "0.99")
    runs.materialize("strictly", COVERAGE_NAMES)
    assert attributes_of(runs.lab.artifacts.read(head(runs, "alert_forward_coverage_v1").artifact_id))["good"] == "0.99"
    monkeypatch.setenv(GOOD_VARIABLE, "most")
    with pytest.raises(InvalidInputError, match=r"QUANTLAB_COVERAGE_GOOD is 'most'; expected a share such as 0.95"):
        runs.materialize("how?", COVERAGE_NAMES)


def test_the_worklist_names_the_slice_that_lacks_minutes(kept: LakeRuns) -> None:
    (missing,) = listed(kept).due
    assert (missing.token.address, missing.day) == (HEN, HEN_DAY)
    assert (missing.alerts, missing.minutes, missing.reason, missing.attempts) == (1, 48 * 60, "no_answer", 1)


def test_what_can_be_had_by_now_is_fetched_and_no_other_day_is_asked_for(runs: LakeRuns, tmp_path: Path) -> None:
    import_hen(runs, tmp_path, days=3)
    before = slices_asked(runs)
    fetched = fetch_gaps(runs)
    assert (fetched.slices, fetched.days, fetched.complete) == (1, (HEN_DAY,), 1)
    assert (fetched.minutes_before, fetched.minutes_now) == (48 * 60, 0)
    assert listed(runs) == Worklist((), (), 0)
    assert slices_asked(runs) == before | {f"day={HEN_DAY}": before[f"day={HEN_DAY}"] + 1}
    found = current_coverage(runs.lab.artifacts)
    assert found is not None
    assert {row["verdict"] for row in found.forward.to_pylist()} == {"good"}


def test_a_slice_that_is_answered_in_part_is_asked_for_again(runs: LakeRuns, tmp_path: Path) -> None:
    import_hen(runs, tmp_path, days=1)
    assert fetch_gaps(runs).complete == 0
    (missing,) = listed(runs).due
    assert (missing.reason, missing.minutes) == ("partly_answered", 24 * 60 + 1)
    assert missing.attempts == 1  # the day was asked for before too: of other files


def test_a_day_with_calls_between_two_others_is_not_asked_for_with_them(runs: LakeRuns) -> None:
    before = slices_asked(runs)
    refresh_research(runs, [NOON.date(), HEN_DAY])
    after = slices_asked(runs)
    assert {key: after[key] - before[key] for key in before} == {
        f"day={NOON.date()}": 1,
        f"day={NEXT_NOON.date()}": 0,
        f"day={HEN_DAY}": 1,
    }


def test_what_was_asked_for_in_vain_is_given_up(runs: LakeRuns) -> None:
    for attempts in (2, 3):
        assert fetch_gaps(runs).minutes_now == 48 * 60
        assert [missing.attempts for missing in (*listed(runs).due, *listed(runs).given_up)] == [attempts]
    assert (listed(runs).due, len(listed(runs).given_up)) == ((), 1)
    assert fetch_gaps(runs).slices == 0
    assert slices_asked(runs)[f"day={HEN_DAY}"] == 3
    assert len(listed(runs, most_attempts=4).due) == 1
    assert fetch_gaps(runs, with_given_up=True).slices == 1
    assert slices_asked(runs)[f"day={HEN_DAY}"] == 4


def test_files_of_other_tokens_are_no_question_after_this_one(runs: LakeRuns, tmp_path: Path) -> None:
    for number in range(3):
        file = write_candles(tmp_path / "elk.csv", {ELK: minutes([9.0 + number] * 5, start=HEN_NOON)})
        import_candle_file(runs, file, CandleFileDeclaration(resolution="1m"))
        refresh_research(runs, [HEN_DAY])
    (missing,) = listed(runs).due
    assert (missing.token.address, missing.reason, missing.attempts) == (HEN, "no_answer", 1)


def test_what_one_source_was_asked_in_vain_is_not_held_against_another(runs: LakeRuns) -> None:
    source = HeldCandles(SourceSpan(HEN_NOON - timedelta(hours=1), HEN_NOON + timedelta(days=3)), name="database")
    for lab in (runs.lab, lab_at(str(runs.lab.paths.home))):
        vars(lab)["candle_source"] = source
    (missing,) = listed(runs, most_attempts=1).due
    assert (missing.reason, missing.attempts, missing.last_asked) == ("never_asked", 0, None)
    source.candles = {(ELK, "1m"): []}
    assert fetch_gaps(runs, most_attempts=1).slices == 1
    assert (listed(runs, most_attempts=1).due, len(listed(runs, most_attempts=1).given_up)) == ((), 1)


def test_slices_of_days_that_the_graph_does_not_know_are_counted_and_not_due(
    runs: LakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTLAB_FIRST_DAY", str(HEN_DAY + timedelta(days=1)))
    assert listed(runs) == Worklist((), (), 0, before_first_day=1)
    assert fetch_gaps(runs).slices == 0
    monkeypatch.setenv("QUANTLAB_FIRST_DAY", str(HEN_DAY))
    assert len(listed(runs).due) == 1


def test_a_limit_fetches_the_first_of_the_list_only(runs: LakeRuns) -> None:
    assert fetch_gaps(runs, limit=1).slices == 1


def test_an_empty_lake_has_no_coverage_and_nothing_to_fetch(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        empty = LakeRuns(Lab.create(tmp_path / "empty"), instance)
        assert current_coverage(empty.lab.artifacts) is None
        assert current_worklist(empty.lab) is None
        assert fetch_gaps(empty).slices == 0


def test_the_job_measures_coverage_of_what_is_current(runs: LakeRuns) -> None:
    before = len(runs.lab.artifacts.publications(head(runs, "coverage_summary_v1").artifact_id))
    job = build_defs(home=str(runs.lab.paths.home)).resolve_job_def("refresh_coverage")
    assert job.execute_in_process(instance=runs.instance).success
    assert len(runs.lab.artifacts.publications(head(runs, "coverage_summary_v1").artifact_id)) == before + 1


def test_the_job_that_asks_again_runs_the_worklist_and_leaves_its_runs_on_record(
    runs: LakeRuns, tmp_path: Path
) -> None:
    import_hen(runs, tmp_path, days=3)
    job = build_defs(home=str(runs.lab.paths.home)).resolve_job_def("fetch_coverage_gaps")
    before = runs.instance.get_runs_count()
    assert job.execute_in_process(instance=runs.instance).success
    assert listed(runs).due == ()
    assert runs.instance.get_runs_count() > before + 1


def test_the_heat_map_is_shown_beside_the_summary(kept: LakeRuns) -> None:
    event = kept.instance.get_latest_materialization_event(dg.AssetKey("coverage_summary"))
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata["heat_map"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    assert str(shown.value).startswith("![Share of alerts covered well](data:image/png;base64,iVBOR")
    gaps = kept.instance.get_latest_materialization_event(dg.AssetKey("coverage_gaps"))
    assert gaps is not None
    assert gaps.asset_materialization is not None
    assert gaps.asset_materialization.metadata["missing_minutes"].value == 48 * 60


def test_calls_of_two_days_are_apart(kept: LakeRuns) -> None:
    found = current_coverage(kept.lab.artifacts)
    assert found is not None
    days = {row["alert_ts_utc"].date() for row in found.forward.to_pylist()}
    assert days == {NOON.date(), NEXT_NOON.date(), HEN_DAY}
