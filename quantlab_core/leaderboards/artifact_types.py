"""Artifact types of the leaderboards of callers and of experiments. Formulas in ``docs/metrics.md``."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType, column

CALLER_LEADERBOARD = ArtifactType(
    name="caller_leaderboard",
    version=1,
    doc="One row per caller of one experiment: what its calls did after the entry, and what to expect of the next one.",
    schema=pa.schema(
        [
            column("rank", pa.int32(), "1 is the highest score; without a score by mean_return_low, then by name"),
            column("experiment_id", pa.string(), "the experiment whose trades are looked at"),
            column("param_id", pa.string(), "its parameter set; 'base' outside sweeps, the chosen one of a sweep"),
            column("caller", pa.string(), "normalised caller name, '(unknown)' without one"),
            column("n_calls", pa.int64(), "alerts of the caller in the experiment"),
            column("n_trades", pa.int64(), "those that became a trade: what the columns from hit_rate_2x on are of"),
            column("n_tokens", pa.int64(), "different tokens among the trades"),
            column("hit_rate_2x", pa.float64(), "share of the trades whose price reached 2 x entry_raw_price in the window", nullable=True),
            column("hit_rate_3x", pa.float64(), "likewise for 3 x", nullable=True),
            column("hit_rate_5x", pa.float64(), "likewise for 5 x", nullable=True),
            column("hit_rate_10x", pa.float64(), "likewise for 10 x", nullable=True),
            column("hit_rate_2x_low", pa.float64(), "one-sided 95 % lower bound of hit_rate_2x (Wilson, n = tokens)", nullable=True),
            column("median_ath_multiple", pa.float64(), "median of ath_multiple", nullable=True),
            column("p25_ath_multiple", pa.float64(), "quantile 0.25 of ath_multiple", nullable=True),
            column("p75_ath_multiple", pa.float64(), "quantile 0.75 of ath_multiple", nullable=True),
            column("p95_ath_multiple", pa.float64(), "quantile 0.95 of ath_multiple", nullable=True),
            column("median_time_to_2x_s", pa.float64(), "median seconds to 2 x, of the trades that reached it", nullable=True),
            column("median_dd_before_2x", pa.float64(), "median dd_before_2x, of the trades that reached it", nullable=True),
            column("mean_return", pa.float64(), "mean net_return", nullable=True),
            column("median_return", pa.float64(), "median net_return", nullable=True),
            column("mean_return_low", pa.float64(), "one-sided 95 % lower bound of mean_return (bootstrap of tokens); null below 20 tokens", nullable=True),
            column("score", pa.float64(), "shrunk mean net return of a token; null where the noise cannot be told", nullable=True),
        ]
    ),
    sort_key=("rank",),
    unique_key=("caller",),
    key_parts=("selection",),
    asset="caller_leaderboard",
)  # fmt: skip

LEADERBOARD_METRICS = (
    "mean_return",
    "median_return",
    "win_rate",
    "profit_factor",
    "total_return",
    "sharpe_daily_365",
    "max_drawdown",
    "tail_share_top1pct",
    "psr",
    "dsr",
    "pbo",
)

EXPERIMENT_LEADERBOARD = ArtifactType(
    name="experiment_leaderboard",
    version=1,
    doc="One row per completed experiment: ranked by what is likely to hold, not by what looked best.",
    schema=pa.schema(
        [
            column("rank", pa.int32(), "1 has the highest mean_return_low; those without one come last, by mean_return"),
            column("experiment_id", pa.string(), "the experiment"),
            column("param_id", pa.string(), "parameter set; 'base' outside sweeps, the chosen one of a sweep"),
            column("n_sets", pa.int64(), "parameter sets that were tried: the more, the less the best of them proves"),
            column("n_trades", pa.int64(), "closed trades"),
            column("mean_return_low", pa.float64(), "ci_low of mean_return", nullable=True),
            *(column(name, pa.float64(), "this metric, scope all", nullable=True) for name in LEADERBOARD_METRICS),
        ]
    ),
    sort_key=("rank",),
    unique_key=("experiment_id",),
    key_parts=("selection",),
    asset="experiment_leaderboard",
)  # fmt: skip

LEADERBOARD_TYPES = (CALLER_LEADERBOARD, EXPERIMENT_LEADERBOARD)
