"""Dagster's UI over a lake that the command line made: opened and clicked in a headless browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.dagster_ui import CHROMIUM, DEV, browser, new_page, served
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import SmallLake
from quantlab_tests.copied_lake import copied_lake

if TYPE_CHECKING:
    from playwright.sync_api import Page

WAIT_S = 240
DAY = "2025-05-01"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the UI cannot be opened"),
]


@pytest.fixture(scope="module")
def lake(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """A copy, since sensors and people write to what the UI shows."""
    home = copied_lake(small_lake.home, tmp_path_factory.mktemp("ui") / "lake")
    return SmallLake(home, small_lake.export, small_lake.candles, small_lake.experiment_id)


@pytest.fixture(scope="module")
def ui(lake: SmallLake) -> Iterator[str]:
    """The address of `dagster dev` over the lake, as `make ui` starts it."""
    with served(lake.home, DEV, lake.home / "ui.log") as address:
        yield address


@pytest.fixture
def page(ui: str) -> Iterator[Page]:
    """A page of a fresh browser; paths are those of the UI."""
    with browser() as opened:
        yield new_page(opened, ui)


def test_the_graph_partitions_and_metadata_are_shown_and_a_partition_can_be_materialized(
    page: Page, lake: SmallLake, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    artifacts = Lab(lake.home).artifacts
    (alerts,) = artifacts.heads("alerts_v1", f"day={DAY}/")
    publications = len(artifacts.publications(alerts.artifact_id))

    page.goto("/asset-groups")
    for group in ("alerts", "ohlcv", "coverage", "projections", "experiments"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=WAIT_S * 1_000)

    page.goto(f"/assets/alerts?view=partitions&partition={DAY}")
    expect(page.get_by_text(alerts.artifact_id).first).to_be_visible(timeout=WAIT_S * 1_000)
    expect(page.get_by_text(alerts.content_hash).first).to_be_visible()

    page.locator("button:has-text('Materialize')").first.click()
    page.get_by_text("Show all partitions").click()
    chosen = page.locator("input[placeholder^='ex:']").last
    chosen.fill(DAY)
    chosen.press("Tab")
    page.screenshot(path=str(tmp_path / "launch.png"))
    page.get_by_role("button", name="Launch 1 run").click()
    browser_deadline = time.monotonic() + WAIT_S
    while len(artifacts.publications(alerts.artifact_id)) == publications:
        assert time.monotonic() < browser_deadline, "the run that was launched in the UI never published"
        time.sleep(1)
    page.goto("/runs")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=WAIT_S * 1_000)
    artifacts.close()


def test_the_equity_curve_of_an_experiment_is_a_picture_in_the_ui(page: Page, lake: SmallLake) -> None:
    page.goto(f"/assets/experiment_curves?view=partitions&partition={lake.experiment_id}")
    _expect_a_picture(page)


def test_the_heat_map_of_coverage_is_a_picture_in_the_ui(page: Page) -> None:
    page.goto("/assets/coverage_summary")
    _expect_a_picture(page)


def _expect_a_picture(page: Page) -> None:
    from playwright.sync_api import expect

    page.get_by_text("Show Markdown").first.click()
    picture = page.locator("img[src^='data:image/png;base64,']").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 100
