"""From a dropped export to a finished experiment with the UI alone, as `make ui` serves it, in a headless browser."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

import pytest

from benchmarks.dagster_ui import CHROMIUM, DEV, browser, new_page, served
from quantlab_core.experiments.experiment import Experiment, ExperimentFilter, ExperimentStatus
from quantlab_resources.lab import Lab
from quantlab_resources.reports.page_server import PageServer
from quantlab_tests.cli.small_lake import small_candles, small_export

if TYPE_CHECKING:
    from playwright.sync_api import Page

Found = TypeVar("Found")

WAIT_S = 240
LONG_AGO_S = 3_600
CANDLES_CONFIG = """
ops:
  candle_file:
    config:
      file: candles.csv
"""
EXPERIMENT_CONFIG = """
ops:
  experiment:
    config:
      name: from the launchpad
      strategy: hold_24h
      execute: false
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the UI cannot be opened"),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("journey") / "lake"
    home.mkdir()
    return home


@pytest.fixture(scope="module")
def page(lake: Path) -> Iterator[Page]:
    with PageServer(lake / "reports", port=0) as pages:
        Thread(target=pages.serve_forever, daemon=True).start()
        settings = {"QUANTLAB_REPORTS_URL": pages.address}
        with served(lake, DEV, lake.parent / "ui.log", settings=settings) as address, browser() as opened:
            yield new_page(opened, address)
        pages.shutdown()


def test_a_dropped_export_becomes_a_finished_experiment(page: Page, lake: Path, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    drop = lake / "staging" / "telegram"
    drop.mkdir(parents=True)
    export = small_export(drop / "result.json")
    os.utime(export, (time.time() - LONG_AGO_S,) * 2)  # nobody is writing to it any more
    small_candles(lake / "staging" / "candles.csv")

    lab = Lab(lake)
    until("alerts of both days", lambda: len(lab.artifacts.heads("alerts_v1")) == 2, lab)
    page.goto("/runs")
    expect(page.get_by_text("ingest", exact=True).first).to_be_visible(timeout=WAIT_S * 1_000)

    launch(page, "import_candles", CANDLES_CONFIG)
    until("coverage of the alerts", lambda: bool(lab.artifacts.heads("alert_forward_coverage_v1")), lab)

    launch(page, "create_experiment", EXPERIMENT_CONFIG)
    experiment_id = until("the experiment that the queue runs", lambda: completed(lab), lab).definition.experiment_id
    page.goto(f"/assets/experiment_outcome?view=partitions&partition={experiment_id}")
    (outcome,) = lab.artifacts.heads("experiment_outcome_v1", f"experiment={experiment_id}")
    expect(page.get_by_text(outcome.artifact_id).first).to_be_visible(timeout=WAIT_S * 1_000)
    page.screenshot(path=str(tmp_path / "outcome.png"))
    until("the page, which is written after the results", lab.paths.report(experiment_id).exists, lab)
    with page.context.expect_page() as tab:
        page.locator(f"a[href$='{experiment_id}.html']").first.click()
    report = tab.value
    expect(report.get_by_text("from the launchpad").first).to_be_visible(timeout=WAIT_S * 1_000)
    report.screenshot(path=str(tmp_path / "report.png"))
    lab.artifacts.close()


def launch(page: Page, job: str, config: str) -> None:
    """Write ``config`` into the launchpad of ``job`` and launch it, as a person does; its run succeeds."""
    from playwright.sync_api import expect

    page.goto(f"/locations/quantlab/jobs/{job}/playground")
    page.locator(".CodeMirror").first.wait_for()
    page.evaluate("text => document.querySelector('.CodeMirror').CodeMirror.setValue(text)", config)
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/**")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=WAIT_S * 1_000)


def completed(lab: Lab) -> Experiment | None:
    return next(iter(lab.experiments.list(ExperimentFilter(status=ExperimentStatus.COMPLETED))), None)


def until(what: str, look: Callable[[], Found | None], lab: Lab) -> Found:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = look() if lab.artifacts.is_available() else None
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not there after {WAIT_S} s"
        time.sleep(1)
