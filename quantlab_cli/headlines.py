"""The few numbers that a person looks at first: headline metrics of an experiment, coverage of the alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from quantlab_cli.tables import Column
from quantlab_core.simulation.headline_metrics import IN_A_ROW

if TYPE_CHECKING:
    from quantlab_core.experiments.experiment import Experiment
    from quantlab_resources.lab import Lab

COVERAGE_HOURS = 24


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


_SHOWN: Mapping[str, tuple[str, Callable[[float | None], str]]] = {
    "n_trades": ("trades", _count),
    "win_rate": ("win\nrate", _share),
    "mean_return": ("mean\nreturn", _percent),
    "median_return": ("median\nreturn", _percent),
    "profit_factor": ("profit\nfactor", _number),
    "max_drawdown": ("max\ndrawdown", _percent),
    "total_pnl": ("total\nPnL", _number),
}
"""Title and number text of a metric."""

HEADLINE_COLUMNS = (
    Column("strategy", "strategy"),
    *(Column(metric, _SHOWN[metric][0], is_number=True) for metric in IN_A_ROW),
)


def headline_row(lab: Lab, experiment: Experiment) -> dict[str, str]:
    """The row of a completed experiment in a table of `HEADLINE_COLUMNS`, as text."""
    metrics = overall_metrics(lab, experiment)
    definition = experiment.definition
    row = {metric: _SHOWN[metric][1](metrics[metric]) for metric in IN_A_ROW}
    return {
        "strategy": str(definition.config.strategy.get("name") or definition.name),
        **row,
        "n_trades": f"{row['n_trades']} of {_count(metrics['n_alerts'])}",
    }


def overall_metrics(lab: Lab, experiment: Experiment) -> Mapping[str, Any]:
    """Value by metric over all alerts, of the chosen set of a sweep; empty before the experiment is completed."""
    from quantlab_core.experiments.chosen_set import headline_param_id

    outputs = experiment.outputs
    if outputs is None or outputs.metrics_artifact_id is None:
        return {}
    metrics = lab.artifacts.read(outputs.metrics_artifact_id)
    chosen = headline_param_id(metrics)
    rows = metrics.select(["param_id", "scope", "metric", "value"]).to_pylist()
    return {row["metric"]: row["value"] for row in rows if row["scope"] == "all" and row["param_id"] == chosen}


def coverage_line(lab: Lab) -> str | None:
    """Which share of the alerts has well-covered 24 hours after it; None where coverage was never measured."""
    from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE

    heads = lab.artifacts.heads(ALERT_FORWARD_COVERAGE.name)
    if not heads:
        return None
    rows = lab.artifacts.read(heads[0].artifact_id).select(["horizon_h", "verdict"]).to_pylist()
    verdicts = [row["verdict"] for row in rows if row["horizon_h"] == COVERAGE_HOURS]
    good = verdicts.count("good")
    share = f" ({good / len(verdicts):.0%})" if verdicts else ""
    return f"{good:,} of {len(verdicts):,} alerts{share} have good coverage of the {COVERAGE_HOURS} h after the call"
