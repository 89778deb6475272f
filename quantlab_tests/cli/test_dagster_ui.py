"""Dagster's UI over a lake that the command line made: opened and clicked in a headless browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import SmallLake

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
START_S = 120
RUN_S = 90
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DAY = "2025-05-01"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the UI cannot be opened"),
]


@pytest.fixture(scope="module")
def ui(small_lake: SmallLake) -> Iterator[str]:
    """The address of `dagster dev` over the lake, as `make ui` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = small_lake.home / "ui.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"],
            cwd=ROOT,
            env={
                **os.environ,
                "QUANTLAB_HOME": str(small_lake.home),
                "DAGSTER_HOME": str(ROOT),
                "PYTHONWARNINGS": "ignore",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_it_listens(port, server, log)
            yield address
        finally:
            os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


@pytest.fixture
def page(ui: str) -> Iterator[Page]:
    """A page of a fresh browser; paths are those of the UI."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_FLAGS)
        opened = browser.new_page(base_url=ui, viewport={"width": 1600, "height": 1000})
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


def test_the_graph_partitions_and_metadata_are_shown_and_a_partition_can_be_materialized(
    page: Page, small_lake: SmallLake, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    artifacts = Lab(small_lake.home).artifacts
    (alerts,) = artifacts.heads("alerts_v1", f"day={DAY}/")
    publications = len(artifacts.publications(alerts.artifact_id))

    page.goto("/asset-groups")
    for group in ("alerts", "ohlcv", "coverage", "projections", "experiments"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=60_000)

    page.goto(f"/assets/alerts?view=partitions&partition={DAY}")
    expect(page.get_by_text(alerts.artifact_id).first).to_be_visible(timeout=60_000)
    expect(page.get_by_text(alerts.content_hash).first).to_be_visible()

    page.locator("button:has-text('Materialize')").first.click()
    page.get_by_text("Show all partitions").click()
    chosen = page.locator("input[placeholder^='ex:']").last
    chosen.fill(DAY)
    chosen.press("Tab")
    page.screenshot(path=str(tmp_path / "launch.png"))
    page.get_by_role("button", name="Launch 1 run").click()
    browser_deadline = time.monotonic() + RUN_S
    while len(artifacts.publications(alerts.artifact_id)) == publications:
        assert time.monotonic() < browser_deadline, "the run that was launched in the UI never published"
        time.sleep(1)
    page.goto("/runs")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=60_000)
    artifacts.close()


def test_the_equity_curve_of_an_experiment_is_a_picture_in_the_ui(page: Page, small_lake: SmallLake) -> None:
    page.goto(f"/assets/experiment_curves?view=partitions&partition={small_lake.experiment_id}")
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


def _wait_until_it_listens(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
            time.sleep(0.5)
