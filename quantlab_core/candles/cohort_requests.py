"""What a candle source is asked for one cohort day: the tokens of its alerts, each with the pool that a call named."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import pyarrow as pa

from quantlab_core.candles.candle_source import CandleRequest
from quantlab_core.candles.resolution import ONE_MINUTE
from quantlab_core.candles.slices import cohort_window
from quantlab_core.token import Token

_POOL_KINDS = ("pool", "pool_or_token")
"""What was written in place of the token's own address, the surer one first."""


def cohort_requests(day: date, alerts: Iterable[pa.Table]) -> dict[Token, CandleRequest]:
    """One request for candles of a minute per token called on ``day``, by token.

    ``alerts`` are tables of ``alerts_v1``. Where calls of a token named several pools, a sure pool goes before a
    possible one, then the earlier call, then the smaller address.
    """
    start, end = cohort_window(day)
    pools: dict[Token, list[tuple[int, datetime, str]]] = {}
    columns = ("chain", "mint", "called_address", "address_kind", "alert_ts_utc")
    for table in alerts:
        for row in table.select(list(columns)).to_pylist():
            named = pools.setdefault(Token(row["chain"], row["mint"]), [])
            if row["address_kind"] in _POOL_KINDS:
                rank = _POOL_KINDS.index(row["address_kind"])
                named.append((rank, row["alert_ts_utc"], row["called_address"]))
    return {
        token: CandleRequest(
            *(token.address, token.chain, ONE_MINUTE, start, end),
            pool_address=min(pools[token])[2] if pools[token] else None,
        )
        for token in sorted(pools)
    }
