"""``quantlab coverage``: how well the time after each alert is covered by candles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.camel_case import camel_case
from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.tables import Column, Format, format_option, number_of, show_csv, show_json, show_table
from quantlab_resources.reports.heat_colours import HEAT_COLOURS

if TYPE_CHECKING:
    import pyarrow as pa

    from quantlab_core.artifacts.artifact_type import ArtifactType
    from quantlab_core.coverage.heat_map import HeatMap
    from quantlab_core.coverage.thresholds import Thresholds
    from quantlab_resources.coverage.current_coverage import CurrentCoverage

# Written out, not imported: `--help` costs nothing then, and a test holds them to what is measured.
HORIZONS = ("1", "4", "12", "24", "48")
HORIZON_OF_WORST = 24
"""Hours, where none are named."""

NOTHING_MEASURED = (
    "coverage was not measured yet: bringing in alerts and candles does it, and the Dagster job refresh_coverage"
)
TOTAL_COLUMNS = (
    Column("horizonH", "after"),
    Column("alerts", "alerts", is_number=True),
    Column("good", "good", is_number=True),
    Column("partial", "partial", is_number=True),
    Column("poor", "poor", is_number=True),
    Column("none", "none", is_number=True),
    Column("pending", "pending", is_number=True),
    Column("goodShare", "good\nshare", is_number=True),
    Column("medianSpanRatio", "median\nspanned", is_number=True),
    Column("medianActivityRatio", "median\ntraded", is_number=True),
    Column("medianSilence", "median longest\nsilence", is_number=True),
)
ALERT_COLUMNS = (
    Column("called", "called (UTC)"),
    Column("chain", "chain", shrinks=True),
    Column("mint", "token", shrinks=True),
    Column("horizonH", "after"),
    Column("verdict", "verdict"),
    Column("spanned", "spanned", is_number=True),
    Column("minutes", "minutes", is_number=True),
    Column("traded", "traded", is_number=True),
    Column("silence", "longest\nsilence", is_number=True),
)


@click.group(cls=LakeGroup)
def coverage() -> None:
    """See how well the time after each alert is covered by candles."""


@coverage.command("show")
@click.option("--from", "start", metavar="ISO", help="Alerts sent then or later: a date, or a time with zone.")
@click.option("--to", "end", metavar="ISO", help="Alerts sent up to then: a date with its whole day, or a time.")
@click.option("--chain", metavar="CHAIN", help="Only alerts of tokens on this chain.")
@click.option("--token", metavar="ADDRESS", help="The alerts of this token, one by one.")
@click.option("--horizon", type=click.Choice(HORIZONS), help="Only so many hours after the alert.")
@click.option(
    "--worst",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"The N worst covered alerts, worst first, over --horizon, else {HORIZON_OF_WORST} hours.",
)
@click.option(
    "--good",
    type=float,
    metavar="SHARE",
    help="Judge by this least share of spanned minutes  [default: as measured, else 0.95]",
)
@click.option("--partial", type=float, metavar="SHARE", help="The same for partly covered  [default: …, else 0.80]")
@format_option
@click.pass_obj
def show(
    invocation: Invocation,
    start: str | None,
    end: str | None,
    chain: str | None,
    token: str | None,
    horizon: str | None,
    worst: int | None,
    good: float | None,
    partial: float | None,
    output_format: Format,
) -> None:
    """Show which share of the alerts is covered well, by day and horizon; or alerts one by one.

    Covered is what the source was asked for and answered for. Silence is data, and never counts against an alert.
    """
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, COVERAGE_SUMMARY
    from quantlab_core.coverage.forward_coverage import judged
    from quantlab_core.coverage.selection import CoverageSelection
    from quantlab_core.coverage.selection import worst as worst_of
    from quantlab_core.coverage.thresholds import Thresholds
    from quantlab_core.experiments.alert_range import parse_alert_range
    from quantlab_core.experiments.experiment import DateRange
    from quantlab_resources.coverage.configured_thresholds import configured_thresholds
    from quantlab_resources.coverage.current_coverage import current_coverage

    range_ = parse_alert_range(DateRange(start, end))
    hours = None if horizon is None else int(horizon)
    if worst is not None and hours is None:
        hours = HORIZON_OF_WORST
    selection = CoverageSelection(range_.start, range_.end, chain, token, hours)
    found = current_coverage(existing_lake(invocation).artifacts)
    if found is None:
        _show_nothing(output_format, COVERAGE_SUMMARY if worst is None and token is None else ALERT_FORWARD_COVERAGE)
        return
    thresholds = configured_thresholds(good, partial, default=Thresholds.from_attributes(found.measured_by))
    rows = selection.of(judged(found.forward, thresholds))
    if worst is not None:
        rows = worst_of(rows, worst)
    if worst is None and token is None:
        _show_by_day(rows, found, thresholds, output_format)
    else:
        _show_alerts(rows, found, thresholds, output_format)


def _show_by_day(rows: pa.Table, found: CurrentCoverage, thresholds: Thresholds, output_format: Format) -> None:
    import numpy as np

    from quantlab_core.coverage.heat_map import heat_map
    from quantlab_core.coverage.summary import summarize, totals

    summary = summarize(rows, found.as_of)
    if output_format == "json":
        _show_json(_camel(summary), found, thresholds)
    elif output_format == "csv":
        show_csv(_camel(summary), list(_names(summary.schema).values()))
    elif not rows.num_rows:
        click.echo("no alert is meant by that")
    else:
        _show_totals(_camel(totals(rows)))
        _show_map(heat_map(summary), np.unique(rows["horizon_h"].to_numpy()).tolist())
        _say_how(found, thresholds)


def _show_totals(rows: Sequence[Mapping[str, Any]]) -> None:
    from quantlab_resources.reports.number_text import share

    show_table(
        [
            {
                **row,
                "horizonH": f"{row['horizonH']} h",
                "goodShare": share(row["goodShare"]),
                "medianSpanRatio": share(row["medianSpanRatio"]),
                "medianActivityRatio": share(row["medianActivityRatio"]),
                "medianSilence": _lasting(row["medianLargestSilenceMinutes"]),
                "shares": {"goodShare": row["goodShare"]},
            }
            for row in rows
        ],
        TOTAL_COLUMNS,
        style_of=_shade,
    )
    click.echo()


def _show_map(drawn: HeatMap, horizons: Sequence[int]) -> None:
    """Share of alerts that are covered well: a row per day (or week, or month), a shaded cell per horizon."""
    from quantlab_core.coverage.alert_windows import HORIZONS_H
    from quantlab_resources.reports.number_text import share

    rows = []
    for stretch in drawn.stretches:
        cells = {f"{hours}": stretch.cells[HORIZONS_H.index(hours)] for hours in horizons}
        if stretch.alerts:
            texts = {name: share(cell.share) if cell.judged else "open" for name, cell in cells.items()}
            shares = {name: cell.share for name, cell in cells.items()}
            rows.append({"from": str(stretch.first), "alerts": stretch.alerts, **texts, "shares": shares})
    title = {"day": "day (UTC)", "week": "week from", "month": "month from"}[drawn.unit]
    columns = [Column(f"{hours}", f"{hours} h", is_number=True) for hours in horizons]
    show_table(rows, (Column("from", title), Column("alerts", "alerts", is_number=True), *columns), style_of=_shade)
    click.echo()


def _show_alerts(rows: pa.Table, found: CurrentCoverage, thresholds: Thresholds, output_format: Format) -> None:
    from quantlab_resources.reports.number_text import instant, share

    if output_format == "json":
        _show_json(_camel(rows), found, thresholds)
    elif output_format == "csv":
        show_csv(_camel(rows), list(_names(rows.schema).values()))
    elif not rows.num_rows:
        click.echo("no alert is meant by that")
    else:
        show_table(
            [
                {
                    "called": instant(row["alert_ts_utc"]),
                    "chain": row["chain"],
                    "mint": row["mint"],
                    "horizonH": f"{row['horizon_h']} h",
                    "verdict": row["verdict"],
                    "spanned": share(row["span_ratio"]),
                    "minutes": f"{row['spanned_minutes']:,} of {row['expected_minutes']:,}",
                    "traded": share(row["activity_ratio"]),
                    "silence": _lasting(row["largest_silence_minutes"]) if row["spanned_minutes"] else None,
                    "shares": {"spanned": None if row["verdict"] == "pending" else row["span_ratio"]},
                }
                for row in rows.to_pylist()
            ],
            ALERT_COLUMNS,
            style_of=_shade,
        )
        click.echo()
        _say_how(found, thresholds)


def _say_how(found: CurrentCoverage, thresholds: Thresholds) -> None:
    """Which thresholds judged, as of when, and where to go from here."""
    click.echo(
        f"good: the source was asked and answered for {100 * thresholds.good:.4g}% of the minutes or more; "
        f"partial: {100 * thresholds.partial:.4g}%; as of {found.as_of[:16].replace('T', ' ')} UTC"
    )
    if found.gaps.num_rows:
        gaps = number_of(found.gaps.num_rows, "gap")
        click.echo(f"{gaps} in all; `quantlab ohlcv gaps` lists what to ask the source for again")


def _show_json(rows: Sequence[Mapping[str, Any]], found: CurrentCoverage, thresholds: Thresholds) -> None:
    show_json(
        {
            "asOf": found.as_of,
            "thresholds": {"good": thresholds.good, "partial": thresholds.partial},
            "rows": [{name: value for name, value in row.items() if value is not None} for row in rows],
        }
    )


def _show_nothing(output_format: Format, spec: ArtifactType) -> None:
    if output_format == "json":
        show_json({"rows": []})
    elif output_format == "csv":
        show_csv([], list(_names(spec.schema).values()))
    else:
        click.echo(NOTHING_MEASURED)


def _camel(table: pa.Table) -> list[dict[str, Any]]:
    """Rows under JSON names, times as text."""
    from datetime import date, datetime

    from quantlab_core.artifacts.timestamp_text import format_timestamp

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return format_timestamp(value)
        return value.isoformat() if isinstance(value, date) else value

    names = _names(table.schema)
    return [{names[name]: plain(value) for name, value in row.items()} for row in table.to_pylist()]


def _names(schema: pa.Schema) -> dict[str, str]:
    """JSON name by column."""
    return {name: camel_case(name) for name in schema.names}


def _lasting(minutes: float | None) -> str | None:
    from quantlab_resources.reports.number_text import duration

    return None if minutes is None else duration(minutes * 60)


def _shade(row: Mapping[str, Any], key: str) -> str:
    """The style of a cell that has a share, from red to blue."""
    share = row["shares"].get(key)
    if share is None:
        return ""
    step = min(int(share * len(HEAT_COLOURS)), len(HEAT_COLOURS) - 1) if share < 1 else len(HEAT_COLOURS) - 1
    ink = "white" if step in (0, len(HEAT_COLOURS) - 1) else "black"
    return f"{ink} on {HEAT_COLOURS[step]}"
