"""Pictures that stand on their own are readable on any ground."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import matplotlib.image
import pyarrow as pa

from quantlab_core.experiments.artifact_types import EXPERIMENT_CURVES, EXPERIMENT_PARAMETER_SETS
from quantlab_resources.reports.charts import equity_curve_png
from quantlab_resources.reports.sweep_heatmap import sweep_heatmap_png


def ground(png: bytes) -> list[float]:
    """Red, green, blue and opacity of the first pixel."""
    return list(map(float, matplotlib.image.imread(io.BytesIO(png))[0, 0]))


def test_a_picture_has_a_white_ground_and_is_not_transparent() -> None:
    points = [
        {"param_id": "base", "ts": datetime(2025, 5, day, tzinfo=UTC), "cash": 1.0, "equity": float(day), "n_open": 0,
         "exposure": 0.0, "drawdown": 0.0, "drawdown_duration_s": 0.0}
        for day in (1, 2)
    ]  # fmt: skip
    sets = [
        {"param_id": f"{row}{column}", "is_chosen": row == column == 1, "choose_by": "sharpe", "measure": row - column,
         "parameters": f'{{"stop_loss": 0.{row}, "fee": 0.{column}}}'}
        for row in (1, 2) for column in (1, 2)
    ]  # fmt: skip
    curves = pa.Table.from_pylist(points, schema=EXPERIMENT_CURVES.schema)
    tried = pa.Table.from_pylist(sets, schema=EXPERIMENT_PARAMETER_SETS.schema)
    for png in (equity_curve_png(curves), sweep_heatmap_png(tried)):
        assert ground(png) == [1.0, 1.0, 1.0, 1.0]
