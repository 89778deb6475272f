"""``quantlab ohlcv export``: candles of one token and any window, from the configured source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.ohlcv_commands import RESOLUTION_NAMES, ohlcv
from quantlab_cli.refresh_news import show_refusals
from quantlab_cli.run_settings import check_refresh_settings
from quantlab_cli.tables import number_of, show_facts

if TYPE_CHECKING:
    from quantlab_assets.workflows.export_candles import ExportedSlice
    from quantlab_core.candles.source_spans import SourceSpan

SHOWN_SPANS = 3


@ohlcv.command("export")
@click.option("--token", metavar="ADDRESS", help="Token whose candles are wanted; without it, the pool stands for it.")
@click.option("--chain", metavar="CHAIN", default="solana", show_default=True, help="Chain of the token.")
@click.option(
    "--resolution", type=click.Choice(RESOLUTION_NAMES), default="1m", show_default=True, help="Length of the candles."
)
@click.option("--from", "start", metavar="ISO", required=True, help="Begin: a date, or a time with its zone.")
@click.option("--to", "end", metavar="ISO", required=True, help="End: a date with its whole day, or a time (excluded).")
@click.option("--pool", metavar="ADDRESS", help="Pool of the token, for sources that keep candles by pool.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Also write a copy: a .parquet or .csv file."
)
@click.pass_obj
def export(
    invocation: Invocation,
    /,
    token: str | None,
    chain: str,
    resolution: str,
    start: str,
    end: str,
    pool: str | None,
    output: Path | None,
) -> None:
    """Publish candles of one token and window as a slice, and bring the token's series up to date.

    Nobody need have called the token. Where the source has only finer candles, these are aggregated.
    """
    check_refresh_settings(invocation)

    from quantlab_assets.workflows.export_candles import export_candles
    from quantlab_cli.open_lake import running_on_new_or_existing
    from quantlab_core.artifacts.timestamp_text import parse_day_or_timestamp
    from quantlab_core.candles.candle_source import CandleRequest
    from quantlab_resources.candles.slice_copy import check_copy_path, write_copy

    address = token or pool
    if address is None:
        raise click.UsageError("name a --token, or a --pool")
    if output is not None:
        check_copy_path(output)
    since, until = parse_day_or_timestamp(start)[0], parse_day_or_timestamp(end)[1]
    request = CandleRequest(address, chain, resolution, since, until, pool)
    with running_on_new_or_existing(invocation) as runs:
        exported = export_candles(runs, request)
        show_exported(exported)
        show_refusals(runs)
    if output is not None:
        write_copy(exported.table, output)
        click.echo(f"also written: {output}")


def show_exported(exported: ExportedSlice) -> None:
    """What was published, for when the source answered, and how much of the window has candles and trades."""
    stated, coverage = exported.attributes, exported.coverage
    rejected = ", ".join(f"{number:,} {rule}" for rule, number in sorted(exported.rejected_by_rule.items()))
    made_of = "" if exported.made_of == stated["resolution"] else f", aggregated from {exported.made_of}"
    show_facts(
        {
            "slice": exported.artifact.logical_key,
            "artifact": f"{exported.artifact.artifact_id} ({_became(exported)})",
            "rows": exported.artifact.row_count,
            "source": f"{stated['source']}{made_of}",
            "units": f"price in {stated['price_unit']}, volume in {stated['volume_unit']}",
            "span": _spans(exported.spans),
            "coverage": f"{coverage.spanned:,} of {coverage.expected:,} intervals asked for, "
            f"{coverage.present:,} with a candle, {coverage.traded:,} traded",
            "conflicts": exported.conflicting_candles or None,
            "left out": rejected or None,
        }
    )


def _became(exported: ExportedSlice) -> str:
    if not exported.is_new and exported.superseded_artifact_id is None:
        return "was there already"
    return "new" if exported.superseded_artifact_id is None else f"supersedes {exported.superseded_artifact_id}"


def _spans(spans: tuple[SourceSpan, ...]) -> str:
    if not spans:
        return "none: the source no longer knows the token"
    shown = [f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}" for span in spans[:SHOWN_SPANS]]
    more = [number_of(len(spans) - SHOWN_SPANS, "more span")] if len(spans) > SHOWN_SPANS else []
    return ", ".join([*shown, *more]) + " UTC"
