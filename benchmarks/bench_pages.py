"""Pages of Dagster's UI in a real browser: how long a person waits until a page shows what it is for.

Beside each page stands the same one of an empty lake, which is what Dagster costs by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from benchmarks.dagster_ui import WEB_SERVER, browser, new_page, served
from benchmarks.measurement import Figure, interleaved
from benchmarks.workload import Size
from quantlab_assets.definitions import ASSETS
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_resources.lab import Lab

if TYPE_CHECKING:
    from playwright.sync_api import Page

FIRST_DAY = date(2023, 1, 1)
DAY_ASSETS = ("alert_events", "alerts")
GROUPS = ("alerts", "ohlcv", "coverage", "projections", "experiments")


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Time until the partitions of tokens and of days are counted, and until the graph shows every group."""
    fill(folder / "full", tokens=size.page_tokens, days=size.days)
    Lab(folder / "empty").make_lake()
    with ExitStack() as stack:
        addresses = {
            lake: stack.enter_context(served(folder / lake, WEB_SERVER, folder / f"{lake}.log"))
            for lake in ("full", "empty")
        }
        opened = stack.enter_context(browser())
        pages = {lake: new_page(opened, address) for lake, address in addresses.items()}
        for title, show in _views(size).items():
            measured = interleaved(
                {
                    title: lambda show=show: show(pages["full"], True),
                    "of an empty lake": lambda show=show: show(pages["empty"], False),
                },
                rounds=size.rounds,
            )
            yield Figure(measured[title], "ms", (measured["of an empty lake"],))


def fill(home: Path, *, tokens: int, days: int) -> None:
    """A lake whose Dagster instance knows ``tokens`` tokens and ``days`` days, with an event for each."""
    Lab(home).make_lake()
    with dagster_instance(home) as instance:
        keys = [f"solana:T{number:043d}" for number in range(tokens)]
        instance.add_dynamic_partitions("tokens", keys)
        named = [(FIRST_DAY + timedelta(days=number)).isoformat() for number in range(days)]
        for asset, partitions in {"token_candles": keys, **dict.fromkeys(DAY_ASSETS, named)}.items():
            for partition in partitions:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(asset, partition=partition, metadata={"rows": 1_440})
                )


def _views(size: Size) -> dict[str, Callable[[Page, bool], None]]:
    return {
        f"partitions of {size.page_tokens:,} tokens": lambda page, full: _partitions(
            page, "token_candles", size.page_tokens if full else 0
        ),
        f"partitions of {size.days:,} days": lambda page, full: _partitions(page, "alerts", size.days if full else 0),
        f"graph of {len(ASSETS)} steps": lambda page, _full: _graph(page),
    }


def _partitions(page: Page, asset: str, materialized: int) -> None:
    page.goto(f"/assets/{asset}?view=partitions", wait_until="commit")
    page.get_by_text(f"Materialized ({materialized})").first.wait_for()


def _graph(page: Page) -> None:
    page.goto("/asset-groups", wait_until="commit")
    for group in GROUPS:
        page.locator("svg").get_by_text(group, exact=True).first.wait_for()
