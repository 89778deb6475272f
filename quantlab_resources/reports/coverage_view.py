"""What a report says of coverage: the heat map, and a row of figures per horizon."""

from __future__ import annotations

from dataclasses import dataclass

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.coverage.measured_coverage import AlertCoverage
from quantlab_core.coverage.summary import summarize, totals
from quantlab_resources.reports.coverage_heatmap import coverage_heatmap_svg
from quantlab_resources.reports.number_text import count, share


@dataclass(frozen=True, slots=True)
class HorizonRow:
    """One horizon's line."""

    horizon: str
    alerts: str
    good: str
    partial: str
    poor: str
    none: str
    pending: str
    good_share: str
    traded: str


@dataclass(frozen=True, slots=True)
class CoverageView:
    """The section of a report; without alerts there are no rows and empty drawings."""

    wide: str
    narrow: str
    rows: tuple[HorizonRow, ...]
    good: str
    partial: str
    as_of: str


def coverage_view(coverage: AlertCoverage) -> CoverageView:
    """The section for these alerts."""
    summary = summarize(coverage.forward, coverage.as_of)
    judged_by = attributes_of(summary)
    return CoverageView(
        wide=coverage_heatmap_svg(summary),
        narrow=coverage_heatmap_svg(summary, is_narrow=True),
        rows=tuple(
            HorizonRow(
                horizon=f"{row['horizon_h']} h",
                **{name: count(row[name]) for name in ("alerts", "good", "partial", "poor", "none", "pending")},
                good_share=share(row["good_share"]),
                traded=share(row["median_activity_ratio"]),
            )
            for row in totals(coverage.forward).to_pylist()
        ),
        good=f"{100 * float(judged_by['good']):.4g}%",
        partial=f"{100 * float(judged_by['partial']):.4g}%",
        as_of=f"{coverage.as_of[:16].replace('T', ' ')} UTC",
    )
