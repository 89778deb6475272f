"""Which trades are shown, and what is said of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from quantlab_core.experiments.artifact_types import EXPERIMENT_FILLS, EXPERIMENT_TRADES
from quantlab_resources.reports.trade_cards import SHOWN, picked_trades, trade_cards

START = datetime(2025, 5, 1, 12, tzinfo=UTC)


def trades(*returns: tuple[str, str, float]) -> pa.Table:
    """Closed trades of (token, caller, net return)."""
    blank = dict.fromkeys(EXPERIMENT_TRADES.schema.names)
    rows = [
        blank | {
            "experiment_id": "x", "param_id": "base", "trade_id": f"t{number:02d}", "alert_id": f"a{number:02d}",
            "token": token, "chain": "solana", "caller": caller, "status": "closed", "alert_ts": START,
            "entry_ts": START, "duration_s": 3_600.0, "entry_price": 2.0, "exit_reason": "take_profit",
            "net_return": value, "pnl": 100 * value,
        }
        for number, (token, caller, value) in enumerate(returns)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_TRADES.schema)


def fill(trade_id: str, leg: int, side: str, price: float, fraction: float, reason: str) -> dict[str, Any]:
    when = START + timedelta(minutes=leg)
    return {"trade_id": trade_id, "leg": leg, "side": side, "ts": when, "candle_ts": when, "fraction": fraction,
            "raw_price": price, "price": price, "qty": 1.0, "fee": 0.0, "reason": reason}  # fmt: skip


def tokens(rows: Any) -> list[str]:
    return [row["token"] for row in rows]


def test_each_token_is_shown_once_with_its_best_or_its_worst_trade() -> None:
    picked = picked_trades(
        trades(("A", "x", 5.0), ("A", "y", 4.0), ("B", "x", 0.5), ("C", "x", -0.2), ("C", "y", -0.9), ("D", "x", -0.5))
    )
    assert [(row["token"], row["net_return"]) for row in picked.best] == [("A", 5.0), ("B", 0.5)]
    assert [(row["token"], row["net_return"]) for row in picked.worst] == [("C", -0.9), ("D", -0.5)]
    assert [row["net_return"] for row in picked.others["t00"]] == [4.0]
    assert [row["net_return"] for row in picked.others["t04"]] == [-0.2]


def test_few_tokens_are_shared_out_and_many_are_cut() -> None:
    assert tokens(picked_trades(trades(("A", "x", 1.0))).best) == ["A"]
    assert picked_trades(trades(("A", "x", 1.0))).worst == ()
    many = picked_trades(trades(*((f"T{number}", "x", float(number)) for number in range(40))))
    assert tokens(many.best) == ["T39", "T38", "T37", "T36"]
    assert tokens(many.worst) == ["T0", "T1", "T2", "T3"]
    assert len(many.tokens) == 2 * SHOWN


def test_fills_are_told_against_the_price_paid() -> None:
    table = trades(("A", "x", 1.0), ("A", "<i>", 0.5), ("A", "z", 0.4), ("A", "z", 0.3), ("A", "z", 0.2))
    picked = picked_trades(table)
    rows = [
        fill("t00", 1, "sell", 3.0, 0.3, "take_profit"),
        fill("t00", 0, "buy", 2.0, 1.0, "entry"),
        fill("t01", 0, "buy", 9.0, 1.0, "entry"),
    ]
    fills = pa.Table.from_pylist(rows, schema=EXPERIMENT_FILLS.schema)
    (card,) = trade_cards(picked.best, fills, {}, picked.others)
    assert [(one.what, one.price, one.against_entry, one.reason) for one in card.fills] == [
        ("bought", "2.000", "", ""),
        ("sold 30\u202f%", "3.000", "+50.0\u202f%", "take profit"),
    ]
    assert card.again == "Other trades of this token: <i> +50.0\u202f%, z +40.0\u202f%, z +30.0\u202f% and 1 more."
    assert card.chart == ""
