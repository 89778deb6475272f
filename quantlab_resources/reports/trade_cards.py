"""The best and the worst trades of a report: one card per token, with its fills and the candles around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.candles.epoch_time import epoch_microseconds
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.token import Token
from quantlab_resources.reports.headline_figures import tone
from quantlab_resources.reports.number_text import duration, instant, money, multiple, percent, price, shortened
from quantlab_resources.reports.trade_chart import Mark, trade_chart

SHOWN = 4
"""Tokens at each end."""
_NAMED = 3
_COLUMNS = [
    "trade_id", "token", "chain", "caller", "alert_ts", "entry_ts", "duration_s", "entry_price", "exit_reason",
    "ath_multiple", "net_return", "pnl", "mae", "is_ambiguous", "is_censored",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FillRow:
    """One buy or sell."""

    when: str
    what: str
    price: str
    against_entry: str
    reason: str


@dataclass(frozen=True, slots=True)
class TradeCard:
    """One trade. ``again`` names the other trades of its token, ``chart`` is empty where there are no candles."""

    token: str
    short: str
    chain: str
    caller: str
    called: str
    net_return: str
    tone: str
    facts: tuple[tuple[str, str], ...]
    fills: tuple[FillRow, ...]
    again: str
    chart: str


@dataclass(frozen=True, slots=True)
class Picked:
    """Closed trades at both ends, as rows: the best of each token first, the worst of each token first, none twice."""

    best: tuple[Mapping[str, Any], ...]
    worst: tuple[Mapping[str, Any], ...]
    others: Mapping[str, tuple[Mapping[str, Any], ...]]
    """Further trades of the same token by trade id."""

    @property
    def tokens(self) -> set[Token]:
        """Tokens whose candles are wanted."""
        return {Token(row["chain"], row["token"]) for row in (*self.best, *self.worst)}


def picked_trades(trades: pa.Table) -> Picked:
    """The trades to show. A token that many called is one card: its trades share one path."""
    closed = trades.filter(pc.is_valid(trades["net_return"])).select(_COLUMNS)
    ranked = closed.sort_by([("net_return", "descending"), ("trade_id", "ascending")])
    rows_of: dict[Token, list[int]] = {}
    for row, found in enumerate(ranked.select(["chain", "token"]).to_pylist()):
        rows_of.setdefault(Token(found["chain"], found["token"]), []).append(row)
    # By their best trade from the top, by their worst from the bottom; few tokens are shared out, the top first.
    by_best = list(rows_of)[: min(SHOWN, -(-len(rows_of) // 2))]
    rest = [token for token in rows_of if token not in set(by_best)]
    by_worst = sorted(rest, key=lambda token: rows_of[token][-1], reverse=True)[:SHOWN]
    best = {token: rows_of[token][0] for token in by_best}
    worst = {token: rows_of[token][-1] for token in by_worst}
    others = {
        named_id: tuple(_row(ranked, other) for other in rows_of[token] if other != row)
        for token, row in {**best, **worst}.items()
        for named_id in [ranked["trade_id"][row].as_py()]
    }
    return Picked(
        tuple(_row(ranked, row) for row in best.values()), tuple(_row(ranked, row) for row in worst.values()), others
    )


def trade_cards(
    rows: Iterable[Mapping[str, Any]],
    fills: pa.Table,
    candles: Mapping[Token, CandleSeries],
    others: Mapping[str, tuple[Mapping[str, Any], ...]],
) -> list[TradeCard]:
    """Cards of the trades ``rows`` with their fills; drawn where ``candles`` has the token."""
    shown = list(rows)
    fills_of = _fills_of(fills, [row["trade_id"] for row in shown])
    return [
        _card(
            row,
            fills_of.get(row["trade_id"], []),
            candles.get(Token(row["chain"], row["token"])),
            others.get(row["trade_id"], ()),
        )
        for row in shown
    ]


def _card(
    row: Mapping[str, Any],
    fills: list[Mapping[str, Any]],
    series: CandleSeries | None,
    again: tuple[Mapping[str, Any], ...],
) -> TradeCard:
    caller = row["caller"] or "(unknown)"
    drawn = ""
    if series is not None and fills:
        name = (
            f"Candles of {shortened(row['token'])} around the trade: called {instant(row['alert_ts'])}, "
            f"net return {percent(row['net_return'])}"
        )
        drawn = trade_chart(series, list(_marks(fills)), _epoch_ms(row["alert_ts"]), name=name)
    return TradeCard(
        token=row["token"],
        short=shortened(row["token"]),
        chain=row["chain"],
        caller=caller,
        called=instant(row["alert_ts"]),
        net_return=percent(row["net_return"]),
        tone=tone(row["net_return"]),
        facts=tuple(_facts(row)),
        fills=tuple(_fill_rows(row, fills)),
        again=_again(again),
        chart=drawn,
    )


def _facts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "held", duration(row["duration_s"])
    yield "exit", (row["exit_reason"] or "").replace("_", " ")
    yield "profit", money(row["pnl"])
    yield "peak", multiple(row["ath_multiple"])
    yield "lowest", percent(row["mae"])
    if row["is_censored"]:
        yield "note", "ends with the data"
    if row["is_ambiguous"]:
        yield "note", "order inside a candle unknown"


def _fill_rows(row: Mapping[str, Any], fills: list[Mapping[str, Any]]) -> Iterator[FillRow]:
    paid = row["entry_price"]
    for fill in fills:
        is_buy = fill["side"] == "buy"
        yield FillRow(
            when=f"{fill['ts']:%Y-%m-%d %H:%M}",
            what="bought" if is_buy else f"sold {percent(fill['fraction'], digits=0, signed=False)}",
            price=price(fill["price"]),
            against_entry="" if is_buy or not paid else percent(fill["price"] / paid - 1),
            reason="" if is_buy else fill["reason"].replace("_", " "),
        )


def _marks(fills: list[Mapping[str, Any]]) -> Iterator[Mark]:
    for fill in fills:
        is_buy = fill["side"] == "buy"
        what = (
            "bought"
            if is_buy
            else f"sold {percent(fill['fraction'], digits=0, signed=False)}, {fill['reason'].replace('_', ' ')},"
        )
        yield Mark(
            _epoch_ms(fill["ts"]), fill["price"], is_buy, f"{what} at {price(fill['price'])} ({instant(fill['ts'])})"
        )


def _again(others: tuple[Mapping[str, Any], ...]) -> str:
    if not others:
        return ""
    named = ", ".join(f"{row['caller'] or '(unknown)'} {percent(row['net_return'])}" for row in others[:_NAMED])
    more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
    return f"Other trades of this token: {named}{more}."


def _fills_of(fills: pa.Table, trade_ids: list[str]) -> dict[str, list[Mapping[str, Any]]]:
    wanted = fills.filter(pc.is_in(fills["trade_id"], value_set=pa.array(trade_ids, pa.string())))
    found: dict[str, list[Mapping[str, Any]]] = {}
    for fill in wanted.sort_by([("trade_id", "ascending"), ("leg", "ascending")]).to_pylist():
        found.setdefault(fill["trade_id"], []).append(fill)
    return found


def _row(table: pa.Table, number: int) -> Mapping[str, Any]:
    row: Mapping[str, Any] = table.slice(number, 1).to_pylist()[0]
    return row


def _epoch_ms(when: datetime) -> int:
    return epoch_microseconds(when) // 1_000
