"""The page of an experiment in a real browser: wide and narrow, light and dark, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quantlab_core.experiments.artifact_types import EXPERIMENT_METRICS
from quantlab_tests.resources.reports.test_experiment_report import (
    RETURNS,
    curve,
    experiment,
    metric,
    report,
    table,
)
from quantlab_tests.resources.reports.test_sweep_view import GRID

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONG_NAME = "<script>alert('called')</script>" + "W" * 200

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the report cannot be looked at"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with hostile names: all that a page can hold."""
    names = [LONG_NAME, "ann", "bob"]
    rows = [metric("n_trades", 6.0), metric("mean_return", 0.5)]
    for position, name in enumerate(names):
        rows += [metric("n_trades", position, "caller", name), metric("total_pnl", 10.0 * position, "caller", name)]
    sets = GRID.set_column(0, "param_id", [["base", "p1", "p2", "p3"]])
    html = report(
        experiment=replace(experiment(LONG_NAME)),
        metrics=table(EXPERIMENT_METRICS, rows),
        curves=curve([1000.0, 1010.0, 980.0, 1180.0]),
        parameter_sets=sets,
    )
    assert len(RETURNS) == 6
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_it_fits_and_asks_nobody_and_complains_of_nothing(
    browser: Browser, page_file: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(page_file.as_uri())
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert complaints == []
    assert _hidden_px(page) == 0
    shown, unshown = ("narrow", "wide") if width == 390 else ("wide", "narrow")
    assert page.locator(f".chart.{shown}").first.is_visible()
    assert not page.locator(f".chart.{unshown}").first.is_visible()
    is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 27)"
    assert is_dark == (scheme == "dark")
    context.close()


def test_tables_sort_by_a_click_and_are_whole_without_scripts(browser: Browser, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    ranks = page.locator("#sweep table.sortable tbody tr td:first-child")
    assert ranks.all_inner_texts() == ["1", "2", "3"]
    head = page.locator("#sweep table.sortable thead th", has_text="average")
    head.get_by_role("button").click()
    head.get_by_role("button").click()
    assert ranks.all_inner_texts() == ["3", "2", "1"]
    assert head.get_attribute("aria-sort") == "ascending"
    page.close()
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(page_file.as_uri())
    assert plain.locator("#sweep table.sortable tbody tr").count() == 3
    assert plain.locator("#warnings").is_visible()
    plain.context.close()


def test_pictures_have_a_text_and_tables_have_headers(browser: Browser, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("[role=img]:not([aria-label])").count() == 0
    assert (
        page.evaluate("[...document.querySelectorAll('table')].filter(t => !t.querySelector('th[scope]')).length") == 0
    )
    page.close()


def _hidden_px(page: Page) -> int:
    """By how much the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
