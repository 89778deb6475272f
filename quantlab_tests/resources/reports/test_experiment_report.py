"""The report of an experiment: everything a reader needs, nothing from outside, the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.experiments.artifact_types import (
    EXPERIMENT_CURVES,
    EXPERIMENT_DIAGNOSTICS,
    EXPERIMENT_FILLS,
    EXPERIMENT_METRICS,
    EXPERIMENT_TRADES,
)
from quantlab_core.experiments.experiment import (
    DateRange,
    Experiment,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
    ExperimentResults,
    ExperimentStatus,
)
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.token import Token
from quantlab_resources.reports.charts import equity_curve_png, equity_curve_svg
from quantlab_resources.reports.experiment_report import render_experiment_report, shown_tokens
from quantlab_resources.reports.strategy_rules import strategy_rules

START = datetime(2025, 5, 1, 12, tzinfo=UTC)
NAME = 'Ines <b>&"3"'
RETURNS = (19.0, 0.4, 0.1, -0.2, -0.366, -0.9)


def table(spec: ArtifactType, rows: list[dict[str, Any]]) -> pa.Table:
    blank = {field.name: None for field in spec.schema}
    return pa.Table.from_pylist([blank | row for row in rows], schema=spec.schema)


def trade(position: int, net_return: float | None, param_id: str = "base") -> dict[str, Any]:
    row = {
        "experiment_id": "x",
        "param_id": param_id,
        "trade_id": f"{param_id}:a{position}",
        "alert_id": f"a{position}",
        "token": f"Token{position}pumppumppumppumppumppumppumppumppump",
        "chain": "solana",
        "caller": NAME,
        "status": "no_entry" if net_return is None else "closed",
        "reason": "no_candle" if net_return is None else None,
        "alert_ts": START + timedelta(hours=position),
    }
    if net_return is None:
        return row
    return row | {
        "net_return": net_return,
        "entry_price": 1.0,
        "entry_fees": 0.75,
        "slippage_cost": 0.5,
        "duration_s": 5400.0,
        "exit_reason": "trailing_stop" if net_return > 0 else "stop_loss",
        "ath_multiple": 1 + max(net_return, 0),
    }


def metric(
    name: str, value: float | None, scope: str = "all", key: str = "all", param_id: str = "base"
) -> dict[str, Any]:
    return {"param_id": param_id, "scope": scope, "scope_key": key, "metric": name, "value": value, "n": 6}


def curve(equities: list[float]) -> pa.Table:
    rows, highest = [], 1000.0
    for position, equity in enumerate(equities):
        highest = max(highest, equity)
        rows.append(
            {
                "param_id": "base",
                "ts": START + timedelta(hours=position),
                "cash": equity,
                "equity": equity,
                "n_open": 0,
                "exposure": 0.0,
                "drawdown": equity / highest - 1,
                "drawdown_duration_s": 0.0,
            }
        )
    return table(EXPERIMENT_CURVES, rows)


def experiment(name: str = "Momentum on demo calls", strategy: dict[str, Any] | None = None) -> Experiment:
    definition = ExperimentDefinition(
        experiment_id="momentum__1a2b3c4d",
        name=name,
        inputs=ExperimentInputs(alerts=("alerts-1", "alerts-2"), ohlcv=("candles-1",)),
        config=ExperimentConfig(
            strategy=strategy or {"name": "momentum", "stop_loss": 0.35, "max_hold_min": 1440},
            date_range=DateRange("2025-05-01", "2025-05-10"),
            params={"portfolio": {"one_per_token": True}},
        ),
        provenance=ExperimentProvenance("0123abcd", False, "1.0.0", "2025-06-01T00:00:00.000Z"),
        alert_set_id="set-of-alerts",
        candle_set_id="set-of-candles",
    )
    return Experiment(definition, "definition-1", ExperimentStatus.COMPLETED, ExperimentResults("trades-1", "fills-1"))


def report(**changes: Any) -> str:
    inputs: dict[str, Any] = {
        "experiment": experiment(),
        "trades": table(EXPERIMENT_TRADES, [trade(i, value) for i, value in enumerate((*RETURNS, None))]),
        "fills": table(
            EXPERIMENT_FILLS,
            [{"trade_id": "base:a0", "leg": leg, "side": "buy", "ts": START, "candle_ts": START, "fraction": 1.0,
              "raw_price": 1.0, "price": 1.0, "qty": 1.0, "fee": 0.75, "reason": "entry"} for leg in (0, 1)],
        ),
        "metrics": table(
            EXPERIMENT_METRICS,
            [
                metric("n_trades", 6.0), metric("win_rate", 0.5), metric("total_return", 0.18),
                metric("max_drawdown", -0.0512),
                metric("median_return", -0.05), metric("mean_return", 3.0057), metric("profit_factor", None),
                metric("tail_share_top1pct", 1.05), metric("fees_total", 1.5),
                metric("n_alerts", 7.0, "caller", NAME), metric("n_trades", 6.0, "caller", NAME),
                metric("win_rate", 0.5, "caller", NAME), metric("mean_return", 3.0057, "caller", NAME),
                metric("total_pnl", 1803.4, "caller", NAME), metric("median_return", -0.05, "caller", NAME),
                metric("n_alerts", 2.0, "caller", "silent sam"), metric("n_trades", 0.0, "caller", "silent sam"),
            ],
        ),
        "curves": EXPERIMENT_CURVES.schema.empty_table(),
        "diagnostics": table(
            EXPERIMENT_DIAGNOSTICS,
            [
                {"ordinal": 0, "level": "warning", "code": "stale_exits", "message": "2 of 6 trades <stale>"},
                {"ordinal": 1, "alert_id": "a6", "level": "info", "code": "no_candle", "message": "no candle opened"},
                {"ordinal": 2, "alert_id": "a7", "level": "info", "code": "no_candle", "message": "no candle opened"},
            ],
        ),
    }  # fmt: skip
    return render_experiment_report(**(inputs | changes))


def drawn_report() -> str:
    """With an equity curve, which takes most of the time."""
    return report(curves=curve([1000.0, 1010.0, 980.0, 1180.0]))


@cache
def usual_report() -> str:
    return drawn_report()


class _Page(HTMLParser):
    """Visible text, and proof that tags are balanced."""

    VOID = ("meta", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_the_page_says_what_happened_in_plain_words() -> None:
    text = _Page(usual_report()).text
    assert "6 of 7 calls became trades, and 50 % of them made money." in text
    assert "The typical trade returned −5.0 %, the average +300.6 %." in text
    assert "At least half of the trades lost: the gain comes from a few large winners." in text
    assert "Without the best 1 % of trades the result would be a loss." in text
    assert "2 fills cost 1.50 in fees and 3.00 in slippage." in text


def test_headline_numbers_come_from_the_metrics_and_undefined_ones_are_a_dash() -> None:
    text = _Page(usual_report()).text
    assert "Return on capital +18.0 %" in text
    assert "Deepest fall −5.1 %" in text
    assert "Profit factor –" in text


def test_trades_are_counted_in_bins_by_net_return() -> None:
    bars = re.findall(r'title="(\d+) trades up to ([^"]+) %"', usual_report())
    assert {label: int(trades) for trades, label in bars if trades != "0"} == {
        "≤ −75": 1, "−25": 1, "0": 1, "+25": 1, "+50": 1, "more": 1,
    }  # fmt: skip


def test_best_and_worst_trades_are_shown_once_each() -> None:
    page = usual_report()
    assert re.findall(r'<code title="Token(\d)', page) == ["0", "1", "2", "5", "4", "3"]
    assert "1 h 30 min" in page


def test_callers_come_with_a_lower_bound_beside_the_rate() -> None:
    """One of six tokens reached 2 x: 17 %; Wilson's one-sided 95 % bound of 1 in 6 is 4 %."""
    text = _Page(usual_report()).text
    assert re.search(r'Ines <b>&"3" 7 6 50 % \+300\.6 % – −5\.0 % 17 % 4 % – \+1,803\.40', text)


def test_what_was_left_out_is_counted_by_reason() -> None:
    assert re.search(r"2 no_candle no candle opened", _Page(usual_report()).text)


def test_inputs_outputs_and_the_way_to_reproduce_are_exact() -> None:
    text = _Page(report(lineage_note="From one export.")).text
    for exact in (
        "set-of-alerts",
        "set-of-candles",
        "definition-1",
        "trades-1",
        "alerts-2",
        "0123abcd",
        "From one export.",
    ):
        assert exact in text
    assert "quantlab experiments reproduce momentum__1a2b3c4d" in text
    assert "git checkout 0123abcd" in text


def test_text_from_outside_is_escaped() -> None:
    page = report(experiment=experiment(name="<script>alert(1)</script>"))
    assert page.count("<script") == 1, "the page's own"
    assert "<b>&" not in page
    assert "<stale>" not in page
    assert "Ines &lt;b&gt;&amp;&#34;3&#34;" in page
    assert "<script>alert(1)</script>" in _Page(page).text


def test_the_page_loads_nothing_from_outside_and_its_tags_are_balanced() -> None:
    page = usual_report()
    assert _Page(page).open == []
    assert not re.search(r"<(script \w|link|img|iframe|object)\b", page)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", page)
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page


def test_the_policy_of_the_page_allows_its_own_script_and_nothing_else() -> None:
    page = usual_report()
    script = page[page.index("<script>") + 8 : page.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert html.unescape(policy) == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_headline_numbers_stand_with_their_intervals() -> None:
    bounded = metric("mean_return", 0.25) | {"ci_low": -0.1, "ci_high": 0.6}
    open_ended = metric("profit_factor", 1.5) | {"ci_low": 1.2}
    text = _Page(report(metrics=table(EXPERIMENT_METRICS, [metric("n_trades", 6.0), bounded, open_ended]))).text
    assert "Average trade +25.0 % 95 %: −10.0 % to +60.0 %" in text
    assert "Profit factor 1.50 95 %: from 1.20" in text
    assert "The average may be zero. Its interval reaches from −10.0 % to +60.0 %." in text


def test_folds_and_months_are_shown_where_the_metrics_have_them() -> None:
    means = {"test_02": 0.02, "train_02": 0.2, "test_01": 0.01, "train_01": 0.1}
    rows = [
        metric("n_trades", 6.0),
        *(metric("mean_return", mean, "fold", key) for key, mean in means.items()),
        metric("mean_return", 0.3, "month", "2025-05"),
    ]
    page = report(metrics=table(EXPERIMENT_METRICS, rows))
    assert re.findall(r'class="name">(train \d+|test \d+)<', page) == ["train 01", "test 01", "train 02", "test 02"]
    assert 'class="name">2025-05<' in page
    assert 'id="folds"' not in usual_report()


def test_a_trade_is_drawn_where_its_candles_are_given() -> None:
    token = Token("solana", "Token0" + "pump" * 9)
    minutes = np.arange(240, dtype=np.int64)
    flat = np.ones(240)
    start_ms = int(START.timestamp() * 1000) - 3_600_000
    series = CandleSeries(start_ms + minutes * 60_000, flat, flat * 1.1, flat * 0.9, flat, 60_000)
    page = report(candles={token: series})
    assert page.count('class="candles"') == 3, "the chart, and two signs in the legend"
    assert "Its candles cannot be shown" in page, "those of the others"
    assert "bought" in page


def test_code_and_environment_are_named_and_changes_are_only_said() -> None:
    dirty = replace(experiment().definition.provenance, git_dirty=True)
    page = _Page(
        report(experiment=replace(experiment(), definition=replace(experiment().definition, provenance=dirty)))
    )
    assert "uncommitted changes yes" in page.text
    assert "Uncommitted code." in page.text
    assert "engine 1.0.0" in page.text


def test_fills_of_other_parameter_sets_are_not_counted() -> None:
    other = {"trade_id": "other:a0", "leg": 0, "side": "buy", "ts": START, "candle_ts": START, "fraction": 1.0,
             "raw_price": 1.0, "price": 1.0, "qty": 1.0, "fee": 9.0, "reason": "entry"}  # fmt: skip
    assert "0 fills cost 0.00 in fees" in _Page(report(fills=table(EXPERIMENT_FILLS, [other]))).text


def test_equal_inputs_give_equal_bytes_also_in_another_process() -> None:
    assert drawn_report() == usual_report()
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; sys.path.insert(0, {str(__file__).rsplit('/', 1)[0]!r})\n"
        "import hashlib, test_experiment_report as t\n"
        "print(hashlib.sha256(t.drawn_report().encode() + t.equity_curve_png(t.curve([1000.0, 900.0]))).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_an_experiment_without_a_trade_is_still_a_page() -> None:
    page = report(
        trades=table(EXPERIMENT_TRADES, [trade(0, None)]),
        fills=EXPERIMENT_FILLS.schema.empty_table(),
        metrics=table(EXPERIMENT_METRICS, [metric("n_trades", 0.0), metric("win_rate", None)]),
        curves=EXPERIMENT_CURVES.schema.empty_table(),
    )
    assert "None of 1 calls became a trade" in _Page(page).text
    assert "there is no curve" in page


def test_an_experiment_without_anything_is_still_a_page() -> None:
    empty = {
        name: spec.schema.empty_table()
        for name, spec in {
            "trades": EXPERIMENT_TRADES, "fills": EXPERIMENT_FILLS, "metrics": EXPERIMENT_METRICS,
            "curves": EXPERIMENT_CURVES, "diagnostics": EXPERIMENT_DIAGNOSTICS,
        }.items()
    }  # fmt: skip
    pending = replace(experiment(), status=ExperimentStatus.PENDING, outputs=None)
    page = _Page(report(experiment=pending, **empty))
    assert page.open == []
    assert "Nothing: every call of the range became a trade." in page.text


def test_one_parameter_set_of_a_sweep_is_shown() -> None:
    trades = table(EXPERIMENT_TRADES, [trade(0, 0.5), trade(1, -0.5, "wide_stop")])
    metrics = table(
        EXPERIMENT_METRICS,
        [
            metric("n_trades", 1.0),
            metric("n_trades", 1.0, param_id="wide_stop"),
            metric("win_rate", 0.0, param_id="wide_stop"),
        ],
    )
    assert (
        "1 of 1 calls became trades, and 0 % of them"
        in _Page(report(trades=trades, metrics=metrics, param_id="wide_stop")).text
    )


def test_the_equity_chart_takes_its_colours_from_the_page() -> None:
    svg = equity_curve_svg(curve([1000.0, 1200.0, 900.0]))
    assert svg.startswith("<svg ")
    assert "var(--accent)" in svg
    assert "#0102" not in svg
    assert not re.search(r'<svg [^>]*(width|height)="', svg)


def test_the_equity_chart_as_png_is_the_same_twice_and_empty_without_a_curve() -> None:
    png = equity_curve_png(curve([1000.0, 1200.0, 900.0]))
    assert png.startswith(b"\x89PNG")
    assert png == equity_curve_png(curve([1000.0, 1200.0, 900.0]))
    assert equity_curve_png(curve([])) == b""
    assert equity_curve_svg(curve([])) == ""


def test_importing_the_report_does_not_import_matplotlib_or_jinja() -> None:
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; import quantlab_resources.reports.experiment_report\n"
        "print({'matplotlib', 'jinja2', 'pandas'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
    )


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [
        ({"stop_loss": 0.35}, ("Stop loss below the price paid", "35 %")),
        ({"take_profit": [[1.0, 0.4], [2.0, 0.3]]}, ("Sells", "40 % at +100 %, 30 % at +200 %")),
        ({"stop_steps": [[0.5, 0.0]], "take_profit": [], "limit_pct": None}, ("Raises the stop", "to 0 % after +50 %")),
        ({"max_hold_min": 1500}, ("Holds at most", "1 d 1 h")),
        ({"slippage": 0.005}, ("Slippage a side", "0.5 %")),
        ({"something_new": 3}, ("something new", "3")),
    ],
)
def test_a_strategy_is_told_in_plain_words(strategy: dict[str, Any], rule: tuple[str, str]) -> None:
    assert [(label, value.replace("\u202f", " ")) for label, value in strategy_rules(strategy)] == [rule]


def test_the_page_of_a_sweep_is_of_the_chosen_set() -> None:
    trades = table(EXPERIMENT_TRADES, [trade(0, 0.5), trade(1, -0.5, "p7"), trade(2, 0.25, "p7")])
    metrics = table(
        EXPERIMENT_METRICS, [metric("n_trades", 2.0, param_id="p7"), metric("win_rate", 0.5, param_id="p7")]
    )
    sets = pa.Table.from_pylist(
        [{"param_id": "p7", "parameters": '{"stop_loss": 0.2}', "rank": 1, "is_chosen": True, "mean_return": 0.1},
         {"param_id": "base", "parameters": '{"stop_loss": 0.3}', "rank": 2, "is_chosen": False, "mean_return": 0.0}]
    )  # fmt: skip
    page = report(trades=trades, metrics=metrics, parameter_sets=sets)
    assert "2 of 2 calls became trades" in page
    assert "All that follows is of the chosen parameter set: stop loss 0.2." in page
    assert {token.address[:6] for token in shown_tokens(trades, sets)} == {"Token1", "Token2"}
    assert {token.address[:6] for token in shown_tokens(trades)} == {"Token0"}
