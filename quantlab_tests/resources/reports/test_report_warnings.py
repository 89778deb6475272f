"""What stands at the top of a report: each warning when it applies, and silence when it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.experiments.artifact_types import EXPERIMENT_DIAGNOSTICS, EXPERIMENT_METRICS, EXPERIMENT_TRADES
from quantlab_core.experiments.experiment import (
    DateRange,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
)
from quantlab_resources.reports.metric_values import MetricValue
from quantlab_resources.reports.report_warnings import ReportWarning, report_warnings
from quantlab_resources.reports.sweep_view import SweepView

DEFINITION = ExperimentDefinition(
    experiment_id="x",
    name="x",
    inputs=ExperimentInputs(("a",), ("c",)),
    config=ExperimentConfig({"max_hold_min": 60}, DateRange(None, None), {}),
    provenance=ExperimentProvenance("0123abcd", False, "1.0.0", "2025-06-01T00:00:00.000Z"),
    alert_set_id="a",
    candle_set_id="c",
)
DIRTY = replace(DEFINITION, provenance=replace(DEFINITION.provenance, git_dirty=True))
FOUR_WITHOUT = [("warning", "no_candle_series", f"a{number}") for number in range(4)]
SOUND = {
    "n_trades": MetricValue(200.0),
    "mean_return": MetricValue(0.2, 0.1, 0.3),
    "tail_share_top1pct": MetricValue(0.1),
    "censored_share": MetricValue(0.0),
    "ambiguous_share": MetricValue(0.0),
}
HELD = (("train", 0.2), ("test", 0.15))
SWEEP = SweepView(100, 0, "p", "", "", None, None, (), (), (), ())


def trades(n: int = 200, tokens: int = 100, **columns: Any) -> pa.Table:
    blank = dict.fromkeys(EXPERIMENT_TRADES.schema.names)
    rows = [
        blank | {"experiment_id": "x", "param_id": "base", "trade_id": f"t{i}", "alert_id": f"a{i}", "chain": "solana",
                 "token": f"T{i % tokens}", "status": "closed", "alert_ts": 0, "entry_fees": 1.0, **columns}
        for i in range(n)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_TRADES.schema)


def diagnostics(*entries: tuple[str, str, str | None]) -> pa.Table:
    """Entries of (level, code, alert)."""
    rows = [
        {
            "ordinal": number,
            "level": level,
            "code": code,
            "message": f"about {code}",
            "alert_id": alert,
            "context": None,
        }
        for number, (level, code, alert) in enumerate(entries)
    ]
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_DIAGNOSTICS.schema)


def folds(*means: tuple[str, float]) -> pa.Table:
    rows = [
        {"param_id": "base", "scope": "fold", "scope_key": key, "metric": "mean_return", "value": mean, "n": 1}
        for key, mean in means
    ]
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_METRICS.schema)


def warnings(**changes: Any) -> list[ReportWarning]:
    inputs: dict[str, Any] = {
        "definition": DEFINITION,
        "overall": SOUND,
        "trades": trades(),
        "metrics": folds(*HELD),
        "diagnostics": diagnostics(),
        "coverage": None,
        "sweep": None,
    }
    return report_warnings(**(inputs | changes))


def overall(**values: MetricValue) -> dict[str, Any]:
    return {"overall": SOUND | values}


def configured(**params: Any) -> dict[str, Any]:
    return {"definition": replace(DEFINITION, config=replace(DEFINITION.config, params=params))}


def titles(found: list[ReportWarning]) -> dict[str, str]:
    return {one.title: one.level for one in found}


def test_a_sound_experiment_is_told_what_is_missing_and_nothing_else() -> None:
    assert titles(warnings()) == {"Coverage not measured.": "warning", "Training is included.": "info"}


@pytest.mark.parametrize(
    ("changes", "title", "level"),
    [
        (overall(n_trades=MetricValue(0.0)), "No trades.", "error"),
        (overall(n_trades=MetricValue(29.0)), "Far too few trades.", "error"),
        ({"trades": trades(tokens=19)}, "Far too few trades.", "error"),
        (overall(n_trades=MetricValue(99.0)), "Few trades.", "warning"),
        (overall(tail_share_top1pct=MetricValue(0.5)), "Carried by a few trades.", "warning"),
        (overall(tail_share_top1pct=MetricValue(1.2)), "Carried by a few trades.", "error"),
        (overall(censored_share=MetricValue(0.01)), "Trades without an end.", "info"),
        (overall(censored_share=MetricValue(0.05)), "Trades without an end.", "warning"),
        (overall(ambiguous_share=MetricValue(0.01)), "Order within candles.", "info"),
        (overall(ambiguous_share=MetricValue(0.02)), "Order within candles.", "warning"),
        (overall(mean_return=MetricValue(0.2, -0.01, 0.3)), "The average may be zero.", "warning"),
        (overall(mean_return=MetricValue(0.2)), "No intervals.", "warning"),
        ({"metrics": folds()}, "In-sample.", "warning"),
        ({"metrics": folds(("train", 0.2))}, "Nothing to test on.", "warning"),
        ({"metrics": folds(("train", 0.2), ("test", -0.1))}, "It did not hold.", "error"),
        ({"metrics": folds(("train", 0.2), ("test", 0.09))}, "It hardly held.", "warning"),
        (configured(selection={"edited": "accept"}), "Hindsight is possible.", "error"),
        ({"diagnostics": diagnostics(("warning", "edits_unknown", None))}, "Hindsight is possible.", "warning"),
        ({"diagnostics": diagnostics(("info", "edited_call", "a1"))}, "Edited calls.", "info"),
        ({"diagnostics": diagnostics(*FOUR_WITHOUT)}, "Tokens without candles.", "warning"),
        ({"diagnostics": diagnostics(("warning", "stale_exits", None))}, "Old prices.", "warning"),
        (
            {"diagnostics": diagnostics(("warning", "coverage_excluded", None))},
            "Poorly covered calls are left out.",
            "warning",
        ),
        ({"diagnostics": diagnostics(("error", "quite_new", None))}, "Quite new.", "error"),
        ({"trades": trades(entry_fees=0.0, exit_fees=0.0, slippage_cost=0.0)}, "Trading is free here.", "warning"),
        ({"definition": DIRTY}, "Uncommitted code.", "warning"),
        ({"sweep": SWEEP}, "Chosen after looking.", "error"),
        ({"sweep": replace(SWEEP, dsr=0.94, pbo=0.1)}, "Chosen after looking.", "error"),
        ({"sweep": replace(SWEEP, dsr=0.96, pbo=0.3)}, "Chosen after looking.", "error"),
        ({"sweep": replace(SWEEP, dsr=0.96, pbo=0.1)}, "Chosen after looking.", "warning"),
    ],
)  # fmt: skip
def test_what_applies_is_said_at_its_level(changes: dict[str, Any], title: str, level: str) -> None:
    found = titles(warnings(**changes))
    assert found[title] == level
    assert title not in titles(warnings())


def test_the_gravest_come_first() -> None:
    found = warnings(**overall(tail_share_top1pct=MetricValue(1.2), censored_share=MetricValue(0.01)))
    levels = [one.level for one in found]
    assert levels == sorted(levels, key=("error", "warning", "info").index)
    assert levels[0] == "error"


def test_the_order_within_candles_is_bounded_by_both_means() -> None:
    table = trades(return_pessimistic=-0.1, return_optimistic=0.3)
    found = warnings(trades=table, **overall(ambiguous_share=MetricValue(0.02)))
    (message,) = [one.message for one in found if one.title == "Order within candles."]
    assert "between −10.0\u202f% and +30.0\u202f%" in message
