"""Experiments side by side. Which exist changes with every new one, so this is an answer, not an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import column

LEADERBOARD_METRICS = (
    "mean_return",
    "median_return",
    "win_rate",
    "profit_factor",
    "total_return",
    "sharpe_daily_365",
    "max_drawdown",
    "tail_share_top1pct",
    "psr",
    "dsr",
    "pbo",
)

EXPERIMENT_LEADERBOARD = pa.schema(
    [
        column("rank", pa.int32(), "1 has the highest mean_return_low; those without one come last, by mean_return"),
        column("experiment_id", pa.string(), "the experiment"),
        column("param_id", pa.string(), "parameter set; 'base' outside sweeps"),
        column("n_trades", pa.int64(), "closed trades"),
        column("mean_return_low", pa.float64(), "ci_low of mean_return", nullable=True),
        *(column(name, pa.float64(), "this metric, scope all", nullable=True) for name in LEADERBOARD_METRICS),
    ]
)


def experiment_leaderboard(metrics: Mapping[str, pa.Table]) -> pa.Table:
    """The table of `EXPERIMENT_LEADERBOARD` from the metrics of each experiment by id (schema ``experiment_metrics``).

    Ranked by the lower bound of the mean return, not by the mean: a few lucky trades raise the mean, not the bound.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for experiment_id, table in metrics.items():
        for metric in table.select(["param_id", "scope", "metric", "value", "ci_low"]).to_pylist():
            if metric["scope"] != "all":
                continue
            key = experiment_id, metric["param_id"]
            row = rows.setdefault(key, {"experiment_id": experiment_id, "param_id": metric["param_id"], "n_trades": 0})
            if metric["metric"] == "n_trades":
                row["n_trades"] = int(metric["value"])
            if metric["metric"] == "mean_return":
                row["mean_return_low"] = metric["ci_low"]
            if metric["metric"] in LEADERBOARD_METRICS:
                row[metric["metric"]] = metric["value"]
    ranked = sorted(rows.items(), key=lambda item: (*_worth(item[1]), item[0]))
    return pa.Table.from_pylist(
        [{"rank": rank, **row} for rank, (_, row) in enumerate(ranked, start=1)], schema=EXPERIMENT_LEADERBOARD
    )


def _worth(row: Mapping[str, Any]) -> tuple[bool, float, bool, float]:
    low, mean = row.get("mean_return_low"), row.get("mean_return")
    return (low is None, -(low or 0.0), mean is None, -(mean or 0.0))
