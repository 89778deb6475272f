"""The metrics of an experiment as a report reads them: by scope, key and name, each with its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A value with the bounds of its confidence interval, None where there is none, and its observations."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


MetricsOfKey = Mapping[str, MetricValue]
UNDEFINED = MetricValue()


def metrics_by_key(metrics: pa.Table, scope: str) -> dict[str, dict[str, MetricValue]]:
    """All keys of a scope, ascending, with their metrics by name."""
    rows = metrics.filter(pc.equal(metrics["scope"], pa.scalar(scope)))
    found: dict[str, dict[str, MetricValue]] = {}
    for row in rows.select(["scope_key", "metric", "value", "ci_low", "ci_high", "n"]).to_pylist():
        value = MetricValue(row["value"], row["ci_low"], row["ci_high"], row["n"])
        found.setdefault(row["scope_key"], {})[row["metric"]] = value
    return dict(sorted(found.items()))


def value_of(metrics: MetricsOfKey, name: str) -> float | None:
    """The value alone; None where it is not defined or not there."""
    return metrics.get(name, UNDEFINED).value
