"""The job `import_candles`: a candle file that lies on Dagster's machine."""

from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from quantlab_assets.launchpad.launched_runs import (
    artifact_counts,
    check_refresh_settings,
    given_path,
    launched_runs,
)
from quantlab_assets.metadata_table import table_of

# Written out, not imported: what reads candle files takes a while to load, and a test holds these to what it knows.
Source = Enum(
    "Source",
    ["auto", "birdeye", "geckoterminal", "binance", "bybit", "ccxt", "freqtrade", "swaps", "clickhouse", "flat"],
)
Resolution = Enum("Resolution", ["1m", "5m", "15m", "1h", "4h", "1d"])
PriceUnit = Enum("PriceUnit", ["usd", "sol", "eth", "bnb", "btc"])
VolumeUnit = Enum("VolumeUnit", ["usd", "sol", "eth", "bnb", "btc", "token", "unknown"])


class CandlesToImport(dg.Config):
    """Which file, and what it does not say itself: nothing is guessed."""

    file: str = Field(
        default="candles.csv",
        description="The candle file, on the machine that Dagster runs on. A full path, or one that starts in the "
        "lake's folder `staging`. docs/candles.md shows an example of each format.",
    )
    source: Source = Field(default=Source["auto"], description="What wrote the file; auto tells it by content.")
    token: str | None = Field(default=None, description="Token of all rows, where the file does not name it.")
    chain: str | None = Field(default=None, description="Chain of all rows, where the file does not name it.")
    resolution: Resolution | None = Field(default=None, description="Length of the candles, where none shows.")
    price_unit: PriceUnit | None = Field(default=None, description="Unit of the prices, where the format has none.")
    volume_unit: VolumeUnit | None = Field(default=None, description="Unit of the volume, where the format has none.")
    asked_from: str | None = Field(
        default=None,
        description="The source was asked for candles from then on: a UTC date (2025-05-01), or a time with its zone. "
        "Between asked_from and asked_to a minute without a candle is known silence.",
    )
    asked_to: str | None = Field(
        default=None, description="And up to then: a date with its whole day, or a time (not included)."
    )
    fetched_at: str | None = Field(
        default=None, description="When the file was fetched, as a time with its zone: the candle open then is dropped."
    )
    time_zone: str | None = Field(default=None, description="Zone of times that carry none, for example Europe/Berlin.")
    accept_regular_gaps: bool = Field(
        default=False, description="The token really traded in the rhythm of a coarser interval."
    )
    replaces: str | None = Field(
        default=None, description="Key or path of an imported file whose candles shall count no longer."
    )


@dg.op(
    name="candle_file",
    required_resource_keys={"lab"},
    description="Reads one candle file and brings all that rests on candles up to date.",
)
def import_one_file(context: dg.OpExecutionContext, config: CandlesToImport) -> None:
    """As `quantlab ohlcv import FILE`; a file that cannot be read leaves no trace."""
    with launched_runs(context, field_of_option={"from": "asked_from", "to": "asked_to"}) as runs:
        from quantlab_assets.workflows.import_candles import import_candle_file, uncalled_tokens
        from quantlab_assets.workflows.refresh_research import refresh_research
        from quantlab_core.artifacts.timestamp_text import parse_timestamp
        from quantlab_core.experiments.alert_range import parse_alert_range
        from quantlab_core.experiments.experiment import DateRange
        from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration

        span = parse_alert_range(DateRange(config.asked_from, config.asked_to))
        chosen: dict[str, Any] = {
            "source": config.source.name,
            "resolution": config.resolution and config.resolution.name,
            "price_unit": config.price_unit and config.price_unit.name,
            "volume_unit": config.volume_unit and config.volume_unit.name,
        }
        declaration = CandleFileDeclaration(
            **chosen,
            token=config.token,
            chain=config.chain,
            span_from=span.start,
            span_to=span.end,
            time_zone=config.time_zone,
            fetched_at=parse_timestamp(config.fetched_at) if config.fetched_at else None,
            accept_regular_gaps=config.accept_regular_gaps,
        )
        path = given_path(runs.lab, config.file)
        check_refresh_settings(runs.lab)
        runs.lab.make_lake()
        imported = import_candle_file(runs, path, declaration, replaces=config.replaces)
        refresh = refresh_research(runs, imported.cohort_days())
        uncalled = uncalled_tokens(runs.lab.artifacts, [imported])
    report = imported.report
    context.add_output_metadata(
        {
            "candle_file": imported.file,
            "candles": imported.candles,
            "quarantined": imported.quarantined,
            **table_of("rules", [{"rule": rule, "rows": rows} for rule, rows in report.rejected_by_rule.items()]),
            "first_and_last_candle": f"{imported.first_ts} to {imported.last_ts}",
            "read_as": f"{report.source}, {report.resolution} ({report.resolution_reason})",
            "units": f"price in {imported.price_unit}, volume in {imported.volume_unit}",
            "tokens": len(report.tokens),
            "tokens_that_nobody_called": len(uncalled),
            "revised_slices": refresh.revised_slices,
            **artifact_counts(runs),
        }
    )


@dg.job(
    name="import_candles",
    config={"ops": {"candle_file": {"config": {"file": "candles.csv", "source": "auto"}}}},
    executor_def=dg.in_process_executor,
    description="Reads a candle file (CSV, Parquet, Birdeye, GeckoTerminal, exchanges, …): candle slices, series, "
    "coverage and the projection follow. Write the path of the file into `file`, and declare what it does not say.",
)
def import_candles() -> None:
    """Started from the launchpad."""
    import_one_file()
