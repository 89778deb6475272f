"""The report of one experiment: a single HTML page that needs nothing else, equal bytes for equal inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.coverage.measured_coverage import AlertCoverage
from quantlab_core.experiments.experiment import Experiment, ExperimentResults
from quantlab_resources.reports.charts import equity_curve_svg
from quantlab_resources.reports.coverage_view import coverage_view
from quantlab_resources.reports.number_text import duration, number, percent, shortened
from quantlab_resources.reports.result_summary import (
    best_and_worst,
    caller_rows,
    costs,
    distribution,
    exit_rows,
    headline,
    left_out,
    metrics_of,
    notices,
    story,
)

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = Path(__file__).with_suffix(".html")
BASE_PARAM_ID = "base"


def render_experiment_report(
    *,
    experiment: Experiment,
    trades: pa.Table,
    fills: pa.Table,
    metrics: pa.Table,
    curves: pa.Table,
    diagnostics: pa.Table,
    coverage: AlertCoverage | None = None,
    lineage_note: str = "",
    param_id: str = BASE_PARAM_ID,
) -> str:
    """One HTML page for an experiment's five result tables, each in the schema of its artifact type.

    ``coverage`` is that of its alerts by its candles; None says that it could not be measured.
    ``lineage_note`` is a sentence on where the inputs come from; ``param_id`` chooses the parameter set of a sweep.
    Every text from outside is escaped. The page loads nothing from anywhere.
    """
    trades, metrics, curves = (_of_param(table, param_id) for table in (trades, metrics, curves))
    overall = metrics_of(metrics, "all", "all")
    best, worst = best_and_worst(trades)
    definition = experiment.definition
    return _template().render(
        experiment=experiment,
        definition=definition,
        provenance=definition.provenance,
        story=story(overall, trades),
        figures=headline(overall),
        charts={"wide": equity_curve_svg(curves), "narrow": equity_curve_svg(curves, is_narrow=True)},
        coverage=None if coverage is None else coverage_view(coverage),
        bins=distribution(trades),
        callers=caller_rows(metrics),
        best=best,
        worst=worst,
        exits=exit_rows(trades),
        notices=notices(diagnostics),
        left_out=left_out(diagnostics),
        costs=costs(trades, fills),
        rules=strategy_rules(definition.config.strategy),
        params=_flat(definition.config.params),
        config_json=json.dumps(
            {"strategy": definition.config.strategy, "params": definition.config.params},
            indent=2,
            sort_keys=True,
            ensure_ascii=False,
            default=dict,
        ),
        outputs=_outputs(experiment.outputs),
        lineage_note=lineage_note,
        shortened=shortened,
    )


def strategy_rules(strategy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A strategy's settings in plain words, in the order in which a trade meets them; unknown keys as they stand."""
    given = {key: value for key, value in strategy.items() if value not in (None, [], ())}
    unnamed = {key: value for key, value in given.items() if key not in ("name", "description")}
    known = [(label, write(unnamed.pop(key))) for key, (label, write) in _RULES.items() if key in unnamed]
    return known + [(key.replace("_", " "), _plain(value)) for key, value in sorted(unnamed.items())]


def _gain_ladder(steps: Any) -> str:
    return (
        ", ".join(f"{percent(share, digits=0, signed=False)} at {percent(gain, digits=0)}" for gain, share in steps)
        or "none"
    )


def _stop_ladder(steps: Any) -> str:
    return (
        ", ".join(f"to {percent(level, digits=0)} after {percent(trigger, digits=0)}" for trigger, level in steps)
        or "none"
    )


def _share(value: Any) -> str:
    return percent(float(value), signed=False).replace(".0", "")


def _minutes(value: Any) -> str:
    return duration(float(value) * 60)


def _seconds(value: Any) -> str:
    return f"{float(value):g} s"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("_", " ")
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict)


_RULES: dict[str, tuple[str, Any]] = {
    "entry_mode": ("Enters", _plain),
    "entry_delay_s": ("Delay before the entry", _seconds),
    "max_entry_wait_s": ("Waits for a candle at most", _seconds),
    "limit_pct": ("Limit below the first open", _share),
    "limit_ttl_min": ("Limit lives for", _minutes),
    "stop_loss": ("Stop loss below the price paid", _share),
    "take_profit": ("Sells", _gain_ladder),
    "stop_steps": ("Raises the stop", _stop_ladder),
    "trailing_stop": ("Trailing stop below the highest price", _share),
    "trailing_activation": ("Trailing starts after a gain of", _share),
    "max_hold_min": ("Holds at most", _minutes),
    "intrabar": ("Order of events in a candle", _plain),
    "fee": ("Fee a side", _share),
    "slippage": ("Slippage a side", _share),
    "stake": ("Stake a trade", lambda value: number(float(value))),
}


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in sorted(mapping.items()):
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}: ")
        elif value is not None:
            rows.append((f"{prefix}{key}".replace("_", " "), _plain(value)))
    return rows


def _outputs(results: ExperimentResults | None) -> list[tuple[str, str]]:
    if results is None:
        return []
    ids = [(field.name.removesuffix("_artifact_id"), getattr(results, field.name)) for field in fields(results)]
    return [(name, artifact_id) for name, artifact_id in ids if artifact_id]


def _of_param(table: pa.Table, param_id: str) -> pa.Table:
    return table.filter(pc.equal(table["param_id"], pa.scalar(param_id)))


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
