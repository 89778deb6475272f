"""Nothing needs a click: what the manifest calls stale or missing is asked for once, exactly, and then nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quantlab_assets.automation.keep_current import MOST_ATTEMPTS, PAUSE, keep_current
from quantlab_assets.automation.telegram_drop import drop_folder, telegram_drop_sensor
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.artifacts.registry import ARTIFACT_TYPES
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_resources.artifacts.upkeep.staleness import stale
from quantlab_resources.freshness import lake_freshness
from quantlab_resources.lab import Lab
from quantlab_tests.assets.daemon import Daemon
from quantlab_tests.assets.held_candles import HeldCandles
from quantlab_tests.assets.small_inputs import DAY_S, FIRST, SECOND, write_export
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.core.alerts.invented_chat import NOON, exported, mint

OWL, FOX, ELK = mint("owl"), mint("fox"), mint("elk")


def source(lab: Lab, close: float = 1.0) -> HeldCandles:
    """Three tokens with a candle a minute for an hour after their calls."""
    held: dict[tuple[str, str], list[dict[str, object]]] = {}
    for token, day in ((OWL, 0), (FOX, 0), (ELK, 1)):
        held[token, "1m"] = [candle(token, day, minute, close) for minute in range(60)]
    found = HeldCandles(SourceSpan(NOON - timedelta(days=1), NOON + timedelta(days=9)), held)
    vars(lab)["candle_source"] = found
    return found


def candle(token: str, day: int, minute: int, close: float) -> dict[str, object]:
    ts = NOON + timedelta(days=day, minutes=minute)
    prices = {"open": 1.0, "high": max(1.0, close), "low": min(1.0, close), "close": close}
    return {"token_address": token, "chain": "solana", "ts": ts, **prices, "volume": 10.0}


def write_calls(folder: Path) -> Path:
    calls = (exported(10, OWL), exported(11, FOX, at=60), exported(20, ELK, at=DAY_S))
    return write_export(folder / "export.json", *calls)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def daemon(tmp_path: Path, instance: dg.DagsterInstance) -> Daemon:
    """Of a lake into which nothing came yet."""
    return Daemon(Lab.create(tmp_path / "lake"), instance, keep_current)


def contents(lab: Lab) -> set[tuple[str, str, str]]:
    """What is current, without runs: type, key and content of every head."""
    heads = (head for spec in ARTIFACT_TYPES for head in lab.artifacts.heads(spec.name))
    return {(head.artifact_type, head.logical_key, head.content_hash) for head in heads}


def test_what_nobody_finished_becomes_what_a_dropped_export_becomes_and_then_nothing_is_asked_for(
    tmp_path: Path, daemon: Daemon, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `quantlab alerts ingest --day`: the second day was read and not looked at, nor was anything fetched."""
    source(daemon.lab)
    runs = LakeRuns(daemon.lab, instance)
    ingest_telegram_export(runs, write_calls(tmp_path), only_day=date.fromisoformat(FIRST))
    assert lake_freshness.lake_freshness(daemon.lab)["alert_events"].partitions == (SECOND,)
    assert daemon.run_what_is_asked_for().success
    assert len(daemon.requested) == 1
    assert "everything is made from what is current" in daemon.says()
    assert not stale(daemon.lab.artifacts).artifact_count

    other = Lab.create(tmp_path / "dropped")
    source(other)
    assert dropped(other, instance).run_what_is_asked_for().success
    assert _but_times(contents(daemon.lab)) == _but_times(contents(other))
    afterwards = Daemon(other, instance, keep_current)
    assert "everything is made from what is current" in afterwards.says()

    def judged(_lab: Lab) -> Any:
        raise AssertionError("nothing changed, and yet everything was judged")

    monkeypatch.setattr(lake_freshness, "lake_freshness", judged)
    assert "everything is made from what is current" in afterwards.says()


def dropped(lab: Lab, instance: dg.DagsterInstance) -> Daemon:
    """The sensor of the drop folder, which has seen the calls once: at its next look they are whole."""
    found = Daemon(lab, instance, telegram_drop_sensor)
    folder = drop_folder(lab).path
    folder.mkdir(parents=True)
    write_calls(folder)
    found.tick()
    return found


def _but_times(found: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Coverage says as of when it was measured, which is when the sets were frozen."""
    return {(kind, key, "" if "coverage" in kind else content) for kind, key, content in found}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake with three calls and their candles, where nothing is left to do."""
    folder = tmp_path_factory.mktemp("current")
    with dg.DagsterInstance.ephemeral() as instance:
        runs = LakeRuns(Lab.create(folder / "lake"), instance)
        source(runs.lab)
        refresh_research(runs, ingest_telegram_export(runs, write_calls(folder)).days)
        runs.lab.close()
    return folder / "lake"


@pytest.fixture
def current(made: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Daemon:
    lab = Lab.create(copied_lake(made, tmp_path / "lake"))
    source(lab)
    found = Daemon(lab, instance, keep_current)
    assert "everything is made from what is current" in found.says()
    return found


def materialized(instance: dg.DagsterInstance) -> list[tuple[str, ...]]:
    """The assets of every run of a workflow, the latest first, each with its partition where it has one."""
    return [
        (*sorted(key.to_user_string() for key in run.asset_selection), run.tags.get("dagster/partition", ""))
        for run in instance.get_runs(dg.RunsFilter(tags={"quantlab/part_of": "workflow"}))
        if run.asset_selection
    ]


def test_a_replaced_slice_brings_its_token_its_set_coverage_and_projection_and_nothing_else(
    current: Daemon, instance: dg.DagsterInstance
) -> None:
    runs = LakeRuns(current.lab, instance)
    source(current.lab).candles[FOX, "1m"] = [candle(FOX, 0, minute, 2.0) for minute in range(60)]
    runs.materialize_partition("Cutting", ["ohlcv_slices", "slice_quarantine", "slice_revisions"], FIRST)
    before = materialized(instance)
    (request,) = current.tick().run_requests or []
    assert "1 of token_candles" in request.tags["quantlab/behind"]
    assert current.run(request).success
    asked_for = materialized(instance)[: -len(before)]
    assert asked_for == [
        ("research_projection", ""),
        ("alert_forward_coverage", "coverage_gaps", "coverage_summary", ""),
        ("candle_set", ""),
        ("token_candles", f"solana:{FOX}"),
    ]
    assert "everything is made from what is current" in current.says()
    assert not stale(current.lab.artifacts).artifact_count


def test_equal_content_published_again_asks_for_nothing(current: Daemon, instance: dg.DagsterInstance) -> None:
    runs = LakeRuns(current.lab, instance)
    runs.materialize_partition("Finding alerts", ["alert_events", "alerts"], FIRST)
    runs.materialize("Freezing", ["alert_set", "token_calls"])
    assert "everything is made from what is current" in current.says()


def test_a_source_that_is_down_is_asked_a_bounded_number_of_times_and_again_when_something_changes(
    tmp_path: Path, daemon: Daemon, instance: dg.DagsterInstance
) -> None:
    held = source(daemon.lab)
    held.fails = True
    dropping = dropped(daemon.lab, instance)
    assert not dropping.run_what_is_asked_for().success
    assert (drop_folder(daemon.lab).path / "_ingested" / "export.json").is_file(), "its alerts are published"
    del vars(daemon.lab)["candle_source"]
    assert "2 days wait for candles" in daemon.says()
    assert "QUANTLAB_CANDLES" in daemon.says()

    vars(daemon.lab)["candle_source"] = held
    daemon.cursor = None  # another source is another process
    for attempt in range(MOST_ATTEMPTS):
        result = daemon.run_what_is_asked_for()
        assert not result.success
        assert "failed, next attempt at" in daemon.says() or attempt == MOST_ATTEMPTS - 1
        daemon.clock.ahead += PAUSE
    assert "3 runs failed, left alone until something changes" in daemon.says()
    daemon.clock.ahead += 10 * PAUSE
    assert "left alone" in daemon.says()
    held.fails = False
    runs = LakeRuns(daemon.lab, instance)
    ingest_telegram_export(runs, write_export(tmp_path / "more.json", exported(30, mint("hen"), at=2 * DAY_S)))
    assert daemon.run_what_is_asked_for().success
    assert "everything is made from what is current" in daemon.says()
    assert len(held.asked) > 0


def test_nothing_is_asked_for_while_a_run_makes_it(current: Daemon, instance: dg.DagsterInstance) -> None:
    current.lab.artifacts.tombstone(current.lab.artifacts.heads("ohlcv_slice_v2")[0].artifact_id, reason="test")
    job = dg.job(name="ingest")(lambda: None)
    under_way = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert f"waits for run {under_way.run_id} of ingest" in current.says()
    instance.report_run_canceled(under_way)
    assert current.tick().run_requests


def test_a_lake_that_is_not_there_is_no_error(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    assert Daemon(Lab(tmp_path / "none"), instance, keep_current).says() == "there is no lake yet"
