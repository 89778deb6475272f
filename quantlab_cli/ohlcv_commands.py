"""``quantlab ohlcv``: bring candles in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.refresh_news import show_refresh
from quantlab_cli.refused_files import name_refused, refuse_if_nothing_came_in
from quantlab_cli.run_settings import check_refresh_settings
from quantlab_cli.tables import Column, show_rows, shown

if TYPE_CHECKING:
    from quantlab_assets.workflows.import_candles import ImportedFile
    from quantlab_resources.lab import Lab

# Written out, not imported: `--help` costs nothing then, and a test holds them to what the importer knows.
RESOLUTION_NAMES = ("1m", "5m", "15m", "1h", "4h", "1d")
PRICE_UNIT_NAMES = ("usd", "sol", "eth", "bnb", "btc")
VOLUME_UNIT_NAMES = ("usd", "sol", "eth", "bnb", "btc", "token", "unknown")
SOURCE_NAMES = (
    "auto", "birdeye", "geckoterminal", "binance", "bybit", "ccxt", "freqtrade", "swaps", "clickhouse", "flat"
)  # fmt: skip

FILE_COLUMNS = (
    Column("file", "file", shrinks=True),
    Column("candles", "candles", is_number=True),
    Column("quarantined", "quarantined", is_number=True),
    Column("first", "first (UTC)"),
    Column("last", "last (UTC)"),
    Column("resolution", "resolution"),
    Column("units", "price, volume"),
    Column("key", "key"),
)


@click.group(cls=LakeGroup)
def ohlcv() -> None:
    """Bring candles in."""


@ohlcv.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--source", type=click.Choice(SOURCE_NAMES), default="auto", show_default=True, help="What wrote the files."
)
@click.option("--token", metavar="ADDRESS", help="Token of all rows, where the file does not name it.")
@click.option("--chain", metavar="CHAIN", help="Chain of all rows, where the file does not name it.")
@click.option("--resolution", type=click.Choice(RESOLUTION_NAMES), help="Length of the candles, where none shows.")
@click.option("--price-unit", type=click.Choice(PRICE_UNIT_NAMES), help="Unit of the prices.")
@click.option("--volume-unit", type=click.Choice(VOLUME_UNIT_NAMES), help="Unit of the volume.")
@click.option(
    "--from", "start", metavar="ISO", help="The file was asked for candles from then on: a date, or a time with zone."
)
@click.option("--to", "end", metavar="ISO", help="And up to then: a date with its whole day, or a time (not included).")
@click.option("--fetched-at", metavar="ISO", help="When the file was fetched: the candle open then is dropped.")
@click.option("--time-zone", metavar="ZONE", help="Zone of times that carry none, e.g. Europe/Berlin.")
@click.option(
    "--accept-regular-gaps", is_flag=True, help="The token really traded in the rhythm of a coarser interval."
)
@click.option("--replaces", metavar="KEY", help="Key or path of an imported file whose candles shall count no longer.")
@click.pass_obj
def import_files(
    invocation: Invocation,
    /,
    files: tuple[Path, ...],
    start: str | None,
    end: str | None,
    fetched_at: str | None,
    replaces: str | None,
    **declared: Any,
) -> None:
    """Read candle files and bring all that rests on candles up to date.

    What a file does not say must be declared; nothing is guessed. CSV and Parquet with one candle per row under named
    columns are taken for US dollars unless something else is declared. A file that cannot be read does not stop the
    others.
    """
    check_refresh_settings(invocation)

    from quantlab_assets.workflows.import_candles import import_candle_files, uncalled_tokens
    from quantlab_assets.workflows.refresh_research import refresh_research
    from quantlab_cli.open_lake import running_on_new_or_existing
    from quantlab_core.artifacts.timestamp_text import parse_timestamp
    from quantlab_core.experiments.alert_range import parse_alert_range
    from quantlab_core.experiments.experiment import DateRange
    from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration

    span = parse_alert_range(DateRange(start, end))
    declaration = CandleFileDeclaration(
        span_from=span.start, span_to=span.end, fetched_at=fetched_at and parse_timestamp(fetched_at), **declared
    )
    with running_on_new_or_existing(invocation) as runs:
        intake = import_candle_files(runs, files, declaration, replaces=replaces)
        refuse_if_nothing_came_in(intake)
        refresh = refresh_research(runs, {day for file in intake.accepted for day in file.cohort_days()})
        show_imported(runs.lab, intake.accepted)
        show_refresh(runs, refresh)
        _show_uncalled(uncalled_tokens(runs.lab.artifacts, intake.accepted))
        click.echo(f"{runs.counts.new:,} new artifacts; {runs.counts.published - runs.counts.new:,} were there already")
        name_refused(intake)


def show_imported(lab: Lab, imported: list[ImportedFile]) -> None:
    """What came in from each file, and why rows were quarantined."""
    rows = [
        {
            "file": file.path.name,
            "candles": file.candles,
            "quarantined": file.quarantined,
            "first": _minute(file.first_ts),
            "last": _minute(file.last_ts),
            "resolution": file.report.resolution,
            "units": f"{file.price_unit}, {file.volume_unit}",
            "key": file.file,
        }
        for file in imported
    ]
    show_rows(rows, FILE_COLUMNS, "table", nothing="no files")
    for file in imported:
        for line in _account(file):
            click.echo(f"{shown(file.path.name)}: {line}")
        if file.quarantined:
            click.echo(f"{shown(file.path.name)}: quarantined {_reasons(lab, file.file)}")


def _show_uncalled(tokens: list[str]) -> None:
    """Of which tokens no slice follows from an import, and how to cut one all the same."""
    if tokens:
        which = tokens[0] if len(tokens) == 1 else f"{len(tokens):,} of the tokens ({tokens[0]}, …)"
        click.echo(
            f"nobody has called {which} so far, and slices are cut of called tokens only; "
            "`quantlab ohlcv export` cuts one of any token and window"
        )


def _account(file: ImportedFile) -> list[str]:
    """How the file was read, and what was dropped."""
    report = file.report
    counts = (
        (report.equal_duplicates, "equal duplicates"),
        (report.open_candles, "still open when fetched"),
        (report.empty_minutes, "minutes without a trade"),
    )
    dropped = [f"{count:,} as {what}" for count, what in counts if count]
    lines = [f"read as {report.source}, {report.resolution} ({report.resolution_reason})", *map(shown, report.notes)]
    if dropped:
        lines.append(f"dropped {', '.join(dropped)}")
    if file.replaced:
        lines.append(f"its candles replace those of file {file.replaced}, which count no longer")
    return lines


def _reasons(lab: Lab, file_key: str) -> str:
    """Rules that rejected rows of the file, with the number of rows and one reason as an example."""
    from collections import Counter

    from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE

    (head,) = lab.artifacts.heads(CANDLES_QUARANTINE.name, f"file={file_key}")
    rows = lab.artifacts.read(head.artifact_id).select(["row_number", "rule_id", "reason"]).to_pylist()
    examples = {row["rule_id"]: row for row in reversed(rows)}
    return "; ".join(
        f"{number:,} {rule} (e.g. row {examples[rule]['row_number']}: {shown(examples[rule]['reason'])})"
        for rule, number in Counter(row["rule_id"] for row in rows).most_common()
    )


def _minute(instant: Any) -> str | None:
    return None if instant is None else f"{instant:%Y-%m-%d %H:%M}"
