"""What Dagster's UI shows beside the results of an experiment: its headline metrics and its equity curve."""

from __future__ import annotations

import base64
from typing import Any

import dagster as dg
import pyarrow as pa

HEADLINE = ("n_trades", "win_rate", "mean_return", "median_return", "profit_factor", "max_drawdown", "total_pnl")


def metrics_preview(metrics: pa.Table) -> dict[str, Any]:
    """The headline metrics over all alerts, as numbers that the UI can plot over time."""
    overall = {row["metric"]: row["value"] for row in metrics.to_pylist() if row["scope"] == "all"}
    return {name: dg.MetadataValue.float(overall[name]) for name in HEADLINE if overall.get(name) is not None}


def curves_preview(curves: pa.Table) -> dict[str, Any]:
    """The equity curve as a picture; nothing when there was no trade."""
    # Matplotlib takes a second to import, and definitions must load without it.
    from quantlab_resources.reports.charts import equity_curve_png

    picture = equity_curve_png(curves)
    if not picture:
        return {}
    encoded = base64.b64encode(picture).decode()
    return {"equity_curve": dg.MetadataValue.md(f"![Equity curve](data:image/png;base64,{encoded})")}
