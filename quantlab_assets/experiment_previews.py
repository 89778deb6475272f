"""What Dagster's UI shows beside the results of an experiment: its headline metrics and its equity curve."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pyarrow as pa

from quantlab_assets.picture_preview import picture_preview
from quantlab_core.simulation.headline_metrics import IN_A_ROW


def metrics_preview(metrics: pa.Table) -> dict[str, Any]:
    """The headline metrics over all alerts, as numbers that the UI can plot over time."""
    overall = {row["metric"]: row["value"] for row in metrics.to_pylist() if row["scope"] == "all"}
    return {name: dg.MetadataValue.float(overall[name]) for name in IN_A_ROW if overall.get(name) is not None}


def curves_preview(curves: pa.Table) -> dict[str, Any]:
    """The equity curve as a picture; nothing when there was no trade."""
    # Matplotlib takes a second to import, and definitions must load without it.
    from quantlab_resources.reports.charts import equity_curve_png

    return picture_preview("equity_curve", "Equity curve", equity_curve_png(curves))
