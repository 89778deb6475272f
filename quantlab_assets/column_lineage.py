"""From which columns of which assets each column is computed, where that can be said truly for every row.

Dagster keeps it as ``dagster/column_lineage``. The open-source UI draws no graph of it, so each column's description
says it too. A column that is missing here is made from more than columns: attributes, keys, settings, whole files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

CANDLE = "token_address chain ts open high low close volume"
_CALL = (
    "alert_id chain mint called_address address_kind mint_source alert_chat_id alert_chat_name alert_message_id "
    "caller_id caller_name caller_name_norm ticker mcap_at_call_usd price_at_call_usd liquidity_at_call_usd "
    "withheld_reason bot_name bot_message_id edited_ts token_proven_at_call"
)
_PRICES = "token_candles: ts open high low close"
_CALLED_AT = "alerts: alert_ts_utc"
_METRIC_NAMES = (
    "mean_return median_return win_rate profit_factor total_return sharpe_daily_365 max_drawdown tail_share_top1pct "
    "psr dsr pbo"
)


def _same(asset: str, columns: str) -> dict[str, str]:
    """Columns that are those of ``asset`` under the same names."""
    return {name: f"{asset}: {name}" for name in columns.split()}


def _all(columns: str, made_from: str) -> dict[str, str]:
    """Columns that are made from the same ones."""
    return dict.fromkeys(columns.split(), made_from)


COLUMNS_MADE_FROM: Mapping[str, Mapping[str, str]] = {
    "alert_events": {
        "event_ts_utc": "telegram_messages: sent_ts",
        "alert_id": "telegram_messages: chat_id message_id text links",
        **_all("chain mint called_address address_kind mint_source", "telegram_messages: text links"),
        "alert_chat_id": "telegram_messages: chat_id",
        "alert_chat_name": "telegram_messages: chat_name",
        "alert_message_id": "telegram_messages: message_id",
        "caller_id": "telegram_messages: sender_id",
        **_all("caller_name caller_name_norm", "telegram_messages: sender_name"),
        **_all(
            "ticker mcap_at_call_usd price_at_call_usd liquidity_at_call_usd withheld_reason token_proven_at_call",
            "telegram_messages: text links sent_ts edited_ts reply_to_message_id",
        ),
        "bot_name": "telegram_messages: sender_name text",
        "bot_message_id": "telegram_messages: message_id reply_to_message_id",
        "edited_ts": "telegram_messages: edited_ts",
        "content_id": "telegram_messages: content_id",
    },
    "alerts": {"alert_ts_utc": "alert_events: event_ts_utc", **_same("alert_events", _CALL)},
    "token_calls": {
        **_same("alerts", "alert_ts_utc alert_id chain mint alert_chat_id"),
        "caller_id": "alerts: caller_id caller_name_norm",
        "caller": "alerts: caller_id caller_name_norm; caller_aliases: caller alias_kind alias",
        **_all("is_first_in_chat call_number_in_chat", "alerts: alert_ts_utc alert_id chain mint alert_chat_id"),
        **_all(
            "is_first_by_caller call_number_by_caller",
            "alerts: alert_ts_utc alert_id chain mint caller_id caller_name_norm; "
            "caller_aliases: caller alias_kind alias",
        ),
    },
    "slice_revisions": {
        "ts": "ohlcv_slices: ts",
        "change": "ohlcv_slices: ts open high low close volume",
        **{
            f"{which}_{name}": f"ohlcv_slices: {name}"
            for which in ("old", "new")
            for name in ("open", "high", "low", "close", "volume")
        },
    },
    "token_candles": {
        **_same("ohlcv_slices", CANDLE),
        "slices": "ohlcv_slices: ts",
        "conflicts": "ohlcv_slices: ts open high low close volume",
        "is_traded": "ohlcv_slices: volume",
        **_all("silent_before unasked_before", "ohlcv_slices: ts"),
    },
    "alert_forward_coverage": {
        **_same("alerts", "alert_ts_utc alert_id chain mint"),
        **_all("spanned_minutes span_ratio verdict", _CALLED_AT),
        **_all(
            "present_minutes first_candle_ts last_candle_ts largest_silence_minutes",
            f"{_CALLED_AT}; token_candles: ts",
        ),
        **_all("traded_minutes activity_ratio", f"{_CALLED_AT}; token_candles: ts volume"),
    },
    "coverage_gaps": {
        "chain": "alerts: chain",
        "token_address": "alerts: mint",
        **_all("from_ts to_ts missing_minutes kind window_from_ts window_to_ts alerts", _CALLED_AT),
    },
    "coverage_summary": {
        "day": _CALLED_AT,
        "chain": "alerts: chain",
        "alerts": "alerts: alert_id",
        **_all(
            "good partial poor none pending good_share partial_share poor_share none_share median_span_ratio",
            _CALLED_AT,
        ),
        "median_activity_ratio": f"{_CALLED_AT}; token_candles: ts volume",
        "median_largest_silence_minutes": f"{_CALLED_AT}; token_candles: ts",
    },
    "experiment_trades": {
        "experiment_id": "experiment_definitions: experiment_id",
        "alert_id": "alerts: alert_id",
        "token": "alerts: mint",
        "chain": "alerts: chain",
        "caller": "alerts: caller_id caller_name_norm; caller_aliases: caller alias_kind alias",
        "alert_ts": _CALLED_AT,
        **_all("entry_ts candles_used missing_candles", f"{_CALLED_AT}; token_candles: ts"),
        **_all(
            "exit_ts duration_s entry_raw_price entry_price avg_exit_raw_price avg_exit_price size entry_fees "
            "exit_fees slippage_cost gross_return net_return pnl exit_reason n_exits mfe mae is_ambiguous "
            "return_pessimistic return_optimistic ath_multiple time_to_2x_s time_to_3x_s time_to_5x_s time_to_10x_s "
            "dd_before_2x path_max_drawdown ret_end",
            f"{_CALLED_AT}; {_PRICES}",
        ),
    },
    "experiment_fills": {
        "candle_ts": "token_candles: ts",
        **_all("ts raw_price price qty fee fraction reason", f"{_CALLED_AT}; {_PRICES}"),
    },
    "caller_leaderboard": {
        "experiment_id": "experiment_trades: experiment_id",
        "param_id": "experiment_metrics: param_id metric value",
        "caller": "experiment_trades: caller",
        "n_calls": "experiment_trades: caller alert_id",
        "n_trades": "experiment_trades: caller status",
        "n_tokens": "experiment_trades: caller status chain token",
        **_all(
            "hit_rate_2x hit_rate_3x hit_rate_5x hit_rate_10x median_ath_multiple p25_ath_multiple p75_ath_multiple "
            "p95_ath_multiple",
            "experiment_trades: caller status ath_multiple",
        ),
        "hit_rate_2x_low": "experiment_trades: caller status chain token ath_multiple",
        "median_time_to_2x_s": "experiment_trades: caller status time_to_2x_s",
        "median_dd_before_2x": "experiment_trades: caller status dd_before_2x",
        **_all("mean_return median_return", "experiment_trades: caller status net_return"),
        **_all("mean_return_low score rank", "experiment_trades: caller status chain token net_return"),
    },
    "experiment_leaderboard": {
        **_all("param_id n_sets", "experiment_metrics: param_id"),
        "mean_return_low": "experiment_metrics: scope metric ci_low",
        **_all(f"n_trades {_METRIC_NAMES}", "experiment_metrics: scope metric value"),
        "rank": "experiment_metrics: scope metric value ci_low",
    },
}
"""By asset and column: ``asset: column column; asset: column``. A frozen set stands for the assets of its members."""


def columns_made_from(asset: str) -> dict[str, list[tuple[str, str]]]:
    """For each column of ``asset`` of which it is known: the (asset, column) pairs that it is computed from."""
    declared = COLUMNS_MADE_FROM.get(asset, {})
    return {
        column: [
            (upstream.strip(), name)
            for part in text.split(";")
            for upstream, _, names in [part.partition(":")]
            for name in names.split()
        ]
        for column, text in declared.items()
    }


def with_column_lineage(asset: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of an asset's definition, with the lineage of its columns if it is known."""
    made_from = columns_made_from(asset)
    if not made_from:
        return dict(metadata)
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=f"{column.description} · from {_told(made_from[column.name])}",
            constraints=column.constraints,
        )
        if column.name in made_from
        else column
        for column in metadata["dagster/column_schema"].columns
    ]
    lineage = dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=upstream, column_name=name) for upstream, name in pairs]
            for column, pairs in made_from.items()
        }
    )
    return {**metadata, "dagster/column_schema": dg.TableSchema(columns=columns), "dagster/column_lineage": lineage}


def _told(pairs: list[tuple[str, str]]) -> str:
    by_asset: dict[str, list[str]] = {}
    for upstream, name in pairs:
        by_asset.setdefault(upstream, []).append(name)
    return "; ".join(f"{upstream}: {', '.join(names)}" for upstream, names in by_asset.items())
