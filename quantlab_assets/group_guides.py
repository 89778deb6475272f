"""What each group of assets is for, told where a newcomer arrives: Dagster has no descriptions of groups.

The guide of a group stands in front of the description of its first asset, the one at which reading begins; every
other asset of the group names that asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupGuide:
    """``first_asset`` carries the ``text``, which is Markdown."""

    first_asset: str
    text: str


GROUP_GUIDES: Mapping[str, GroupGuide] = {
    "alerts": GroupGuide(
        "telegram_exports",
        """**Group alerts: from chat exports to calls.** People call tokens in Telegram groups. You drop an export of a
chat; every message of it is read once and accounted for (`message_dispositions`: a call, no call, or
quarantined with the reason). Days are then put together from all exports: `alert_events` has every mention
of a token, `alerts` one row per call. `alert_set` freezes all days for whatever comes after, and
`token_calls` tells first calls from repeated ones.

*Begin here:* copy `result.json` into `staging/telegram/` of the lake, or `quantlab alerts ingest result.json`.
*Look at:* `message_dispositions` of your export, then `alerts` of a day. *Wrong?* The checks of `telegram_messages`
say what is odd.""",
    ),
    "ohlcv": GroupGuide(
        "candle_files",
        """**Group ohlcv: prices.** A candle is open, high, low, close and volume of a token in one minute. They come
from files (`candle_files`, read into `imported_candles`, bad rows into `candles_quarantine`) or from
ClickHouse. For every day with calls, `ohlcv_slices` holds the candles around the calls of that day;
`token_candles` merges the slices of a token into one series without duplicates, and shows it as a chart.
`candle_set` freezes all series.

*Begin here:* `quantlab ohlcv import candles.csv`. *Look at:* the chart of a token in `token_candles`. *Missing
minutes?* See the group coverage: a token that nobody traded is not the same as a token that nobody asked for.""",
    ),
    "coverage": GroupGuide(
        "alert_forward_coverage",
        """**Group coverage: can a result be trusted?** A call without candles after it cannot be simulated, and
leaving it out makes results look better than they are. For each call and horizon (1, 4, 12, 24, 48 hours)
`alert_forward_coverage` says how many minutes the source was asked for; `coverage_gaps` lists what is
missing; `coverage_summary` is the heat map by day.

*Begin here:* the heat map of `coverage_summary`. *Then:* the job `fetch_coverage_gaps` asks again for what is
missing.""",
    ),
    "projections": GroupGuide(
        "research_projection",
        """**Group projections: the same data for SQL.** `cache/research.duckdb` has the tables `alerts` and `ohlcv`,
made from the frozen sets. It can be deleted at any time and is built again from the artifacts; nothing is
computed from it.

*Begin here:* `quantlab projections rebuild research`, then open the file with DuckDB.""",
    ),
    "experiments": GroupGuide(
        "experiment_definitions",
        """**Group experiments: what would a strategy have earned?** An experiment freezes the calls, the candles, the
strategy and the engine (`experiment_definitions`), simulates every call, and keeps the trades, fills,
metrics and the equity curve. New data never changes a finished experiment. `reproductions` runs one again
and compares the bytes; `lookahead_audits` shows that no trade knew its future.

*Begin here:* `quantlab experiments create --name first --strategy hold_24h`, then materialize its partition. *Look
at:* the curve in `experiment_curves` and the report that every result links to.""",
    ),
    "leaderboards": GroupGuide(
        "caller_leaderboard",
        """**Group leaderboards: whom to listen to, what to believe.** Callers of one experiment, and all experiments,
ranked by the lower bound of what is likely to hold, so that one lucky call does not win.

*Begin here:* materialize `caller_leaderboard` after an experiment has completed.""",
    ),
}


def guided(group: str, asset: str, description: str) -> str:
    """The description of ``asset`` as Dagster shows it."""
    guide = GROUP_GUIDES.get(group)
    if guide is None:
        return description
    if asset == guide.first_asset:
        return f"{description}\n\n---\n\n{guide.text}"
    return f"{description}\n\n*What the group {group} is for: see `{guide.first_asset}`.*"
