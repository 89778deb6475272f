"""The parameter sets of a sweep as the table of their artifact type, and the few facts that readers take from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from quantlab_core.experiments.artifact_types import EXPERIMENT_PARAMETER_SETS
from quantlab_core.experiments.parameter_sets import ParameterSets
from quantlab_core.experiments.sweep_choice import Choice
from quantlab_core.experiments.sweep_config import PURSE_MEASURES
from quantlab_core.experiments.sweep_scores import SetScores
from quantlab_core.simulation.metrics import Metric
from quantlab_core.simulation.strategy import strategy_mapping

_METRICS = (
    *("mean_return", "median_return", "win_rate", "profit_factor", "total_pnl", "tail_share_top1pct"),
    *PURSE_MEASURES,
)


def parameter_sets_table(
    found: ParameterSets, scores: SetScores, choice: Choice, choose_by: str, metrics_of_chosen: Sequence[Metric]
) -> pa.Table:
    """One row per set that was tried or left out, by id. The chosen set's metrics are those of its full run."""
    full = {metric.name: metric for metric in metrics_of_chosen if metric.scope == "all"}
    rows: list[dict[str, Any]] = [
        {"param_id": one.param_id, "is_chosen": False, "excluded_reason": one.reason, "parameters": _json(one.changes)}
        for one in found.excluded
    ]
    for number, one in enumerate(found.sets):
        metrics = full if number == choice.number else scores.metrics[number]
        rows.append(
            {
                "param_id": one.param_id,
                "rank": choice.ranks[number],
                "is_chosen": number == choice.number,
                "parameters": _json(one.changes),
                "strategy": _json(strategy_mapping(one.strategy)),
                "measure": choice.values[number],
                "n_trades": metrics["mean_return"].n,
                "mean_return_low": metrics["mean_return"].ci_low,
                "sharpe": scores.sharpe[number],
                **{name: metrics[name].value for name in _METRICS if name in metrics},
            }
        )
    for row in rows:
        row["choose_by"] = choose_by
    rows.sort(key=lambda row: str(row["param_id"]))
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_PARAMETER_SETS.schema)


def _json(mapping: Mapping[str, Any]) -> str:
    return json.dumps(dict(mapping), sort_keys=True)
