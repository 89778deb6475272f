"""A call that nobody has candles of: pending while its hours run, not covered once it was asked for after that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.coverage import COVERAGE_NAMES
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.experiment_coverage import experiment_coverage
from quantlab_assets.workflows.fetch_gaps import fetch_gaps
from quantlab_assets.workflows.import_candles import import_candle_file
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.coverage.current_coverage import current_coverage
from quantlab_resources.lab import lab_at
from quantlab_tests.assets.small_inputs import minutes, write_candles, write_export
from quantlab_tests.assets.small_research import hold_1h
from quantlab_tests.core.alerts.invented_chat import NOON, exported, mint

OWL, FOX = mint("owl"), mint("fox")
AFTER_THREE_HOURS = {1: "none", 4: "pending", 12: "pending", 24: "pending", 48: "pending"}
NOT_COVERED = dict.fromkeys(AFTER_THREE_HOURS, "none")


@dataclass
class SetClock:
    """Tells the time that a test has set."""

    time: datetime

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> SetClock:
    """Three hours after the calls."""
    return SetClock(NOON + timedelta(hours=3))


@pytest.fixture
def runs(tmp_path: Path, clock: SetClock) -> Iterator[LakeRuns]:
    """A lake with a call of owl, which no file has, and one of fox."""
    lab = lab_at(str(tmp_path / "lake"))
    lab.clock = clock
    lab.make_lake()
    with dg.DagsterInstance.ephemeral() as instance:
        made = LakeRuns(lab, instance)
        export = write_export(tmp_path / "export.json", exported(10, OWL), exported(11, FOX, at=60))
        days = ingest_telegram_export(made, export).days
        file = write_candles(tmp_path / "fox.csv", {FOX: minutes([1.0] * 60)})
        import_candle_file(made, file, CandleFileDeclaration(resolution="1m"))
        refresh_research(made, days)
        yield made


def verdicts(table: object) -> dict[int, str]:
    return {row["horizon_h"]: row["verdict"] for row in table.to_pylist() if row["mint"] == OWL}  # type: ignore[attr-defined]


def measured(runs: LakeRuns) -> dict[int, str]:
    found = current_coverage(runs.lab.artifacts)
    assert found is not None
    return verdicts(found.forward)


def coverage_ids(runs: LakeRuns) -> set[str]:
    return {head.artifact_id for name in COVERAGE_NAMES for head in runs.lab.artifacts.heads(f"{name}_v1")}


def test_what_was_asked_for_in_vain_is_judged_when_its_hours_are_over(runs: LakeRuns, clock: SetClock) -> None:
    assert measured(runs) == AFTER_THREE_HOURS
    clock.time += timedelta(days=60)
    runs.materialize("the time alone changes nothing", COVERAGE_NAMES)
    assert measured(runs) == AFTER_THREE_HOURS
    assert fetch_gaps(runs).complete == 0
    assert measured(runs) == NOT_COVERED
    judged = coverage_ids(runs)
    clock.time += timedelta(days=1)
    fetch_gaps(runs)
    runs.materialize("nor does asking after the last window", COVERAGE_NAMES)
    assert coverage_ids(runs) == judged


def test_an_experiment_is_judged_as_of_its_creation_by_whatever_was_measured(runs: LakeRuns, clock: SetClock) -> None:
    early = create_experiment(runs, hold_1h("early")).definition
    clock.time += timedelta(days=60)
    late = create_experiment(runs, hold_1h("late")).definition
    assert (early.alert_set_id, early.candle_set_id) == (late.alert_set_id, late.candle_set_id)
    for ask in (lambda: None, lambda: fetch_gaps(runs)):
        ask()
        store = runs.lab.artifacts
        assert verdicts(experiment_coverage(store, early).forward) == AFTER_THREE_HOURS
        assert verdicts(experiment_coverage(store, late).forward) == NOT_COVERED
    assert experiment_coverage(store, late).as_of == late.provenance.created_at
