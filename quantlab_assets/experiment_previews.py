"""What Dagster's UI shows beside the results of an experiment: headline metrics, equity curve, and a sweep's sets."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_assets.picture_preview import picture_preview
from quantlab_core.experiments.chosen_set import headline_param_id
from quantlab_core.simulation.headline_metrics import IN_A_ROW
from quantlab_resources.lab import Lab
from quantlab_resources.reports.page_address import page_address


def report_links(lab: Lab, experiment_id: str) -> dict[str, dg.MetadataValue]:
    """Where the experiment's page is: the address that a browser opens, and the file."""
    return {
        "report": dg.MetadataValue.url(page_address(experiment_id)),
        "report_file": dg.MetadataValue.path(str(lab.paths.report(experiment_id))),
    }


def metrics_preview(metrics: pa.Table) -> dict[str, Any]:
    """The headline metrics over all alerts, as numbers that the UI can plot over time; of a sweep, the chosen set's."""
    chosen = headline_param_id(metrics)
    rows = metrics.filter((pc.field("scope") == "all") & (pc.field("param_id") == chosen)).to_pylist()
    overall = {row["metric"]: row["value"] for row in rows}
    return {name: dg.MetadataValue.float(overall[name]) for name in IN_A_ROW if overall.get(name) is not None}


def curves_preview(curves: pa.Table) -> dict[str, Any]:
    """The equity curve as a picture; nothing when there was no trade."""
    # Matplotlib takes a second to import, and definitions must load without it.
    from quantlab_resources.reports.charts import equity_curve_png

    return picture_preview("equity_curve", "Equity curve", equity_curve_png(curves))


MOST_SETS_SHOWN = 50
_SHOWN = (
    "rank",
    "param_id",
    "parameters",
    "measure",
    "n_trades",
    "mean_return",
    "mean_return_low",
    "win_rate",
    "sharpe",
)


def parameter_sets_preview(parameter_sets: pa.Table) -> dict[str, Any]:
    """How many sets were tried, the best of them as a table, and the map of a sweep of two keys as a picture."""
    # Matplotlib takes a second to import, and definitions must load without it.
    from quantlab_resources.reports.sweep_heatmap import sweep_heatmap_png

    tried = parameter_sets.filter(pc.field("rank").is_valid()).sort_by("rank")
    best = tried.slice(0, MOST_SETS_SHOWN).select(_SHOWN).to_pylist()
    lines = [" | ".join(map(_cell, row.values())) for row in best]
    table = "\n".join(f"| {line} |" for line in (" | ".join(_SHOWN), " | ".join("---" for _ in _SHOWN), *lines))
    return {
        "n_sets": dg.MetadataValue.int(tried.num_rows),
        "n_sets_left_out": dg.MetadataValue.int(parameter_sets.num_rows - tried.num_rows),
        "best_sets": dg.MetadataValue.md(table),
        **picture_preview("heat_map", "The measure by both keys", sweep_heatmap_png(parameter_sets)),
    }


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
