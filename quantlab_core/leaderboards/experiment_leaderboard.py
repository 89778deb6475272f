"""Experiments side by side, ranked by what is likely to hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.experiments.chosen_set import headline_param_id
from quantlab_core.leaderboards.artifact_types import EXPERIMENT_LEADERBOARD, LEADERBOARD_METRICS


def experiment_leaderboard(metrics: Mapping[str, pa.Table]) -> pa.Table:
    """The table of `EXPERIMENT_LEADERBOARD` from the metrics of each experiment by id (schema ``experiment_metrics``).

    Ranked by the lower bound of the mean return, not by the mean: a few lucky trades raise the mean, not the bound. A
    sweep stands there with its chosen set alone.
    """
    rows = [_row(experiment_id, table) for experiment_id, table in metrics.items()]
    ranked = sorted(rows, key=lambda row: (*_worth(row), row["experiment_id"]))
    return pa.Table.from_pylist(
        [{"rank": rank, **row} for rank, row in enumerate(ranked, start=1)], schema=EXPERIMENT_LEADERBOARD.schema
    )


def _row(experiment_id: str, table: pa.Table) -> dict[str, Any]:
    param_id = headline_param_id(table)
    row: dict[str, Any] = {
        "experiment_id": experiment_id,
        "param_id": param_id,
        "n_sets": len(pc.unique(table["param_id"])),
        "n_trades": 0,
    }
    is_headline = (pc.field("scope") == "all") & (pc.field("param_id") == param_id)
    for metric in table.filter(is_headline).select(["metric", "value", "ci_low"]).to_pylist():
        if metric["metric"] == "n_trades":
            row["n_trades"] = int(metric["value"])
        if metric["metric"] == "mean_return":
            row["mean_return_low"] = metric["ci_low"]
        if metric["metric"] in LEADERBOARD_METRICS:
            row[metric["metric"]] = metric["value"]
    return row


def _worth(row: Mapping[str, Any]) -> tuple[bool, float, bool, float]:
    low, mean = row.get("mean_return_low"), row.get("mean_return")
    return (low is None, -(low or 0.0), mean is None, -(mean or 0.0))
