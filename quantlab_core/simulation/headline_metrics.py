"""Which of the many metrics come first, wherever an experiment is shown: one list for a row, one for a page."""

from __future__ import annotations

IN_A_ROW = ("n_trades", "win_rate", "mean_return", "median_return", "profit_factor", "max_drawdown", "total_pnl")
"""Where experiments stand below each other: tables of the command line, and Dagster's UI."""

ON_A_PAGE = (
    "total_return",
    "max_drawdown",
    "win_rate",
    "median_return",
    "mean_return",
    "profit_factor",
    "tail_share_top1pct",
    "fees_total",
)
"""At the head of a report, in this order: the purse first, then its trades, then what was paid."""
