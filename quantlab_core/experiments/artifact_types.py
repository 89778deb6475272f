"""Artifact types of experiments: definition, trades, fills, metrics, curves, parameter sets, diagnostics, outcome.

Words are the field's (freqtrade, vectorbt and backtesting.py use the same). Money is in the stake currency (USD by
convention), returns are fractions (0.1 is 10 %), durations are seconds.
"""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column

EXPERIMENT_DEFINITION = ArtifactType(
    name="experiment_definition_v1",
    version=1,
    doc="What an experiment is made of, frozen: sets, strategy, range, parameters, engine. One row.",
    schema=pa.schema(
        [
            column("experiment_id", pa.string(), "id of the experiment; also its Dagster partition"),
            column("name", pa.string(), "name given by the user"),
            column("description", pa.string(), "description given by the user", nullable=True),
            column("definition_hash", pa.string(), "hash of inputs, config, seed and engine version"),
            column("alert_set_id", pa.string(), "frozen set of alerts artifacts"),
            column("candle_set_id", pa.string(), "frozen set of candle artifacts"),
            column("definition_json", pa.string(), "the whole definition as canonical JSON"),
        ]
    ),
    sort_key=("experiment_id",),
    unique_key=("experiment_id",),
    key_parts=("experiment",),
    key_suffix="definition",
    asset="experiment_definitions",
    partition="experiment",
)

PATH_METRIC_COLUMNS = [
    column("ath_multiple", pa.float64(), "highest high of the holding window / entry_raw_price", nullable=True),
    column(
        "time_to_2x_s",
        pa.float64(),
        "seconds from entry to the first candle whose high reaches 2 x entry_raw_price",
        nullable=True,
    ),
    column("time_to_3x_s", pa.float64(), "likewise for 3 x", nullable=True),
    column("time_to_5x_s", pa.float64(), "likewise for 5 x", nullable=True),
    column("time_to_10x_s", pa.float64(), "likewise for 10 x", nullable=True),
    column(
        "dd_before_2x",
        pa.float64(),
        "lowest low up to and including the candle that touches 2 x, / entry_raw_price - 1",
        nullable=True,
    ),
    column(
        "path_max_drawdown", pa.float64(), "lowest of low / highest high before it - 1 within the window", nullable=True
    ),
    column("ret_end", pa.float64(), "last close of the window / entry_raw_price - 1", nullable=True),
]

EXPERIMENT_TRADES = ArtifactType(
    name="experiment_trades",
    version=2,
    doc="One row per alert: what the strategy did with it, from entry to exit, or why there was no trade.",
    schema=pa.schema(
        [
            column("experiment_id", pa.string(), "the experiment"),
            column("param_id", pa.string(), "parameter set; 'base' outside sweeps"),
            column("trade_id", pa.string(), "deterministic id of (parameter set, alert)"),
            column("alert_id", pa.string(), "the alert"),
            column("token", pa.string(), "token address"),
            column("chain", pa.string(), "chain of the token"),
            column("caller", pa.string(), "normalised caller name", nullable=True),
            column("status", pa.string(), "closed, no_entry, bad_data or excluded"),
            column("reason", pa.string(), "why there was no trade; null for closed ones", nullable=True),
            column("alert_ts", UTC_TIMESTAMP, "when the call was sent (UTC)"),
            column("entry_ts", UTC_TIMESTAMP, "open time of the entry candle (UTC)", nullable=True),
            column("exit_ts", UTC_TIMESTAMP, "time of the last exit (UTC)", nullable=True),
            column("duration_s", pa.float64(), "exit_ts - entry_ts in seconds", nullable=True),
            column("entry_raw_price", pa.float64(), "price R before slippage", nullable=True),
            column("entry_price", pa.float64(), "price E paid, slippage included, fee excluded", nullable=True),
            column("avg_exit_raw_price", pa.float64(), "fraction-weighted exit price before slippage", nullable=True),
            column("avg_exit_price", pa.float64(), "fraction-weighted exit price after slippage", nullable=True),
            column("size", pa.float64(), "quantity of tokens bought", nullable=True),
            column("stake", pa.float64(), "money put in, entry fee included", nullable=True),
            column("entry_fees", pa.float64(), "fee paid at entry", nullable=True),
            column("exit_fees", pa.float64(), "fees paid at the exits", nullable=True),
            column("slippage_cost", pa.float64(), "money lost to slippage at entry and exits", nullable=True),
            column("gross_return", pa.float64(), "return on raw prices", nullable=True),
            column("net_return", pa.float64(), "return on the stake after fees and slippage", nullable=True),
            column("pnl", pa.float64(), "stake x net_return", nullable=True),
            column(
                "exit_reason",
                pa.string(),
                "reason of the last exit: stop_loss, trailing_stop, breakeven_stop, step_stop, take_profit, time_exit or end_of_data",
                nullable=True,
            ),
            column("n_exits", pa.int32(), "number of exit legs", nullable=True),
            column(
                "mfe",
                pa.float64(),
                "maximum favourable excursion: highest high / entry_raw_price - 1 while held",
                nullable=True,
            ),
            column(
                "mae",
                pa.float64(),
                "maximum adverse excursion: lowest low / entry_raw_price - 1 while held",
                nullable=True,
            ),
            column(
                "is_ambiguous",
                pa.bool_(),
                "stop and an unfilled target were both reachable inside one candle",
                nullable=True,
            ),
            column("return_pessimistic", pa.float64(), "net return under stop_first", nullable=True),
            column("return_optimistic", pa.float64(), "net return under target_first", nullable=True),
            column("is_censored", pa.bool_(), "the data ended before the deadline", nullable=True),
            column("stale_exit_s", pa.float64(), "age of the price at a time exit, in seconds", nullable=True),
            column("candles_used", pa.int32(), "candles from entry to exit", nullable=True),
            column("missing_candles", pa.int32(), "minutes without a candle from entry to exit", nullable=True),
            *PATH_METRIC_COLUMNS,
        ]
    ),
    sort_key=("param_id", "alert_ts", "alert_id"),
    unique_key=("param_id", "alert_id"),
    key_parts=("experiment",),
    key_suffix="trades",
    asset="experiment_trades",
    partition="experiment",
    time_column="alert_ts",
)

EXPERIMENT_FILLS = ArtifactType(
    name="experiment_fills",
    version=1,
    doc="Every buy and sell of every trade.",
    schema=pa.schema(
        [
            column("trade_id", pa.string(), "the trade"),
            column("leg", pa.int32(), "0 for the entry, 1, 2, … for the exits in order"),
            column("side", pa.string(), "buy or sell"),
            column("ts", UTC_TIMESTAMP, "time of the fill (UTC)"),
            column("candle_ts", UTC_TIMESTAMP, "open time of the candle that gave the price (UTC)"),
            column("fraction", pa.float64(), "fraction of the initial quantity"),
            column("raw_price", pa.float64(), "price before slippage"),
            column("price", pa.float64(), "price after slippage"),
            column("qty", pa.float64(), "quantity of tokens"),
            column("fee", pa.float64(), "fee paid"),
            column("reason", pa.string(), "entry, or the exit reason"),
        ]
    ),
    sort_key=("trade_id", "leg"),
    unique_key=("trade_id", "leg"),
    key_parts=("experiment",),
    key_suffix="fills",
    asset="experiment_fills",
    partition="experiment",
    time_column="ts",
)

EXPERIMENT_CURVES = ArtifactType(
    name="experiment_curves",
    version=2,
    doc="Equity after every event of the portfolio; equity is cash plus open stakes at cost.",
    schema=pa.schema(
        [
            column("param_id", pa.string(), "parameter set; 'base' outside sweeps"),
            column("ts", UTC_TIMESTAMP, "time of the event (UTC)"),
            column("cash", pa.float64(), "free cash after the events of this time"),
            column("equity", pa.float64(), "cash + open stakes at cost"),
            column("n_open", pa.int32(), "open positions"),
            column("exposure", pa.float64(), "open stakes / equity"),
            column("drawdown", pa.float64(), "equity / highest equity so far - 1"),
            column("drawdown_duration_s", pa.float64(), "seconds since the highest equity"),
        ]
    ),
    sort_key=("param_id", "ts"),
    unique_key=("param_id", "ts"),
    key_parts=("experiment",),
    key_suffix="curves",
    asset="experiment_curves",
    partition="experiment",
    time_column="ts",
)

EXPERIMENT_METRICS = ArtifactType(
    name="experiment_metrics",
    version=2,
    doc="Metrics in long form; formulas in docs/metrics.md.",
    schema=pa.schema(
        [
            column("param_id", pa.string(), "parameter set; 'base' outside sweeps"),
            column("scope", pa.string(), "all, caller, fold or month"),
            column(
                "scope_key",
                pa.string(),
                "'all', the caller, the fold's block (test, train_01, …), or the month as YYYY-MM",
            ),
            column("metric", pa.string(), "name of the metric"),
            column("value", pa.float64(), "its value; null where it is not defined", nullable=True),
            column("ci_low", pa.float64(), "lower bound of the confidence interval", nullable=True),
            column("ci_high", pa.float64(), "upper bound of the confidence interval", nullable=True),
            column("n", pa.int64(), "number of observations behind it"),
        ]
    ),
    sort_key=("param_id", "scope", "scope_key", "metric"),
    unique_key=("param_id", "scope", "scope_key", "metric"),
    key_parts=("experiment",),
    key_suffix="metrics",
    asset="experiment_metrics",
    partition="experiment",
)

EXPERIMENT_PARAMETER_SETS = ArtifactType(
    name="experiment_parameter_sets",
    version=1,
    doc="One row per parameter set of a sweep: what it changes, its headline metrics, its rank, and which was chosen.",
    schema=pa.schema(
        [
            column("param_id", pa.string(), "id of the set: a digest of its strategy, the same in every sweep"),
            column(
                "rank",
                pa.int32(),
                "1 is the best by the sweep's choose_by; null for a set that was left out",
                nullable=True,
            ),
            column(
                "is_chosen", pa.bool_(), "whether trades, fills, curves and all scopes of the metrics are of this set"
            ),
            column(
                "excluded_reason", pa.string(), "why the set is no strategy; null for one that was tried", nullable=True
            ),
            column("parameters", pa.string(), "what the sweep changed in the strategy, as JSON"),
            column("strategy", pa.string(), "the set's whole strategy as JSON, a valid strategy file", nullable=True),
            column("choose_by", pa.string(), "the measure by which the sets of the sweep are ranked: highest first"),
            column("measure", pa.float64(), "its value of that measure", nullable=True),
            column("n_trades", pa.int64(), "closed trades", nullable=True),
            column("mean_return", pa.float64(), "metric of that name, scope all", nullable=True),
            column("mean_return_low", pa.float64(), "ci_low of mean_return", nullable=True),
            column("median_return", pa.float64(), "metric of that name, scope all", nullable=True),
            column("win_rate", pa.float64(), "metric of that name, scope all", nullable=True),
            column("profit_factor", pa.float64(), "metric of that name, scope all", nullable=True),
            column("total_pnl", pa.float64(), "metric of that name, scope all", nullable=True),
            column("tail_share_top1pct", pa.float64(), "metric of that name, scope all", nullable=True),
            column(
                "sharpe",
                pa.float64(),
                "Sharpe ratio per day of the daily profits at equal stakes, that dsr and pbo judge",
                nullable=True,
            ),
            column(
                "total_return",
                pa.float64(),
                "of the portfolio; null where only the chosen set's was run",
                nullable=True,
            ),
            column("sharpe_daily_365", pa.float64(), "likewise", nullable=True),
            column("sortino", pa.float64(), "likewise", nullable=True),
            column("calmar", pa.float64(), "likewise", nullable=True),
            column("max_drawdown", pa.float64(), "likewise", nullable=True),
        ]
    ),
    sort_key=("param_id",),
    unique_key=("param_id",),
    key_parts=("experiment",),
    key_suffix="parameter_sets",
    asset="experiment_parameter_sets",
    partition="experiment",
)

EXPERIMENT_DIAGNOSTICS = ArtifactType(
    name="experiment_diagnostics",
    version=2,
    doc="Every alert that was left out and why, data warnings, and what a reader of the results must know.",
    schema=pa.schema(
        [
            column("ordinal", pa.int32(), "order of the entries"),
            column("level", pa.string(), "info, warning or error"),
            column("code", pa.string(), "machine-readable kind, e.g. no_candle or bad_data"),
            column("message", pa.string(), "one sentence"),
            column("alert_id", pa.string(), "the alert that it is about", nullable=True),
            column("context", pa.string(), "further facts as JSON", nullable=True),
        ]
    ),
    sort_key=("ordinal",),
    unique_key=("ordinal",),
    key_parts=("experiment",),
    key_suffix="diagnostics",
    asset="experiment_diagnostics",
    partition="experiment",
)

EXPERIMENT_OUTCOME = ArtifactType(
    name="experiment_outcome_v1",
    version=1,
    doc="What a completed attempt produced: each output's type, content hash and row count.",
    schema=pa.schema(
        [
            column("experiment_id", pa.string(), "the experiment"),
            column("output", pa.string(), "trades, fills, metrics, curves or diagnostics"),
            column("artifact_type", pa.string(), "type of the output"),
            column("artifact_id", pa.string(), "id of the output"),
            column("content_hash", pa.string(), "content hash of the output"),
            column("row_count", pa.int64(), "rows of the output"),
            column("engine_version", pa.string(), "simulation engine that made it"),
        ]
    ),
    sort_key=("output",),
    unique_key=("output",),
    key_parts=("experiment",),
    key_suffix="outcome",
    asset="experiment_outcome",
    partition="experiment",
)

CODE_PATCH = ArtifactType(
    name="code_patch_v1",
    version=1,
    doc="What the code that made an experiment had beyond its commit, where somebody asked to keep it. One row.",
    schema=pa.schema(
        [
            column("patch_hash", pa.string(), "SHA-256 of the patch, as the experiment's provenance names it"),
            column("git_commit", pa.string(), "commit that it applies to"),
            column("patch", pa.binary(), "the patch as git apply reads it"),
        ]
    ),
    sort_key=("patch_hash",),
    unique_key=("patch_hash",),
    key_parts=("commit", "patch"),
    asset="code_patches",
)

EXPERIMENT_TYPES = (
    EXPERIMENT_DEFINITION,
    EXPERIMENT_TRADES,
    EXPERIMENT_FILLS,
    EXPERIMENT_CURVES,
    EXPERIMENT_METRICS,
    EXPERIMENT_PARAMETER_SETS,
    EXPERIMENT_DIAGNOSTICS,
    EXPERIMENT_OUTCOME,
    CODE_PATCH,
)
