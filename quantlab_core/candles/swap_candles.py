"""Candles from swaps: which swaps count, in which order they happened, and what they make of an interval.

Prices are in the quote currency per token (SOL, say), volumes are amounts of the quote currency. A candle has the
first, highest, lowest and last price of its swaps and the exact sum of their quote amounts. An interval without swaps
has no candle.

**Order.** By time; within one time (sources give whole seconds, and most swaps share theirs) by position in the file,
since sources list swaps as they were executed. A token whose times run backwards more often than forwards is listed
newest first, and is read from its end.

**Twice the same.** Rows with one signature and equal values are one swap that was listed twice. A signature with other
values is another swap of the same transaction. Without signatures nothing is taken for a duplicate.

**The first rule of `validation.RULES` that a swap breaks is why it is rejected:**

- ``swap_side_unknown``: neither buy nor sell, where the file has sides.
- ``swap_amount_not_positive``: an amount is missing, zero, negative or infinite. Without money no price was paid.
- ``swap_price_mismatch``: the price differs from quote / tokens by more than 1 % and the rounding of the two amounts,
  which are taken to be rounded to the last decimal that the file writes (at least the 4th and the 2nd).
- ``swap_price_far``: the price is more than 10 times above or below the middle price of its token and interval, the
  price at which half of the money was traded no higher. Captures of swaps hold rows whose amount is not what was paid
  for the tokens but a fee or a deposit: tiny, consistent in themselves, and wrong by a factor of a thousand. In a real
  capture of 20 token launches one swap in eight was of this kind, most below 0.01 SOL, and without the rule the
  median candle had a high 28,000 times its low. Money decides, so a real crash, which takes money, is no outlier; a
  last small swap after it may show only in the next candle. The rule looks at nothing outside its interval.

**Unfinished candles.** Without a span the candle of a token's last swap is dropped: what came after it in the interval
is unknown. With a span (for which time the source was asked), candles that are not wholly inside it are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import (
    Floats,
    Integers,
    Mask,
    compute,
    floats,
    instants,
    is_valid,
    microseconds,
    one_array,
    row_positions,
    rows_at,
)
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.epoch_time import epoch_microseconds, iso_text
from quantlab_core.candles.exact_sums import exact_sums
from quantlab_core.candles.neighbouring_rows import repeats_previous, run_starts
from quantlab_core.candles.resolution import step_of
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.candles.validation import Rejection

SWAP_SCHEMA = pa.schema(
    [
        pa.field("row_number", pa.int64(), nullable=False),
        *(CANDLE_SCHEMA.field(name) for name in ("token_address", "chain", "ts")),
        pa.field("side", pa.string()),
        pa.field("price", pa.float64()),
        pa.field("quote", pa.float64()),
        pa.field("tokens", pa.float64()),
        pa.field("signature", pa.string()),
        pa.field("trader", pa.string()),
    ]
)
"""Rows in the order of their file. A missing price is quote / tokens; ``side`` is null where the file has none."""

SIDES = frozenset({"buy", "sell"})
PRICE_TOLERANCE = 0.01
FAR = 10.0
_QUOTE_DECIMALS, _TOKEN_DECIMALS = 4, 2
_MOST_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class SwapCandles:
    """``candles`` has the candle schema by chain, token and ts; ``first_rows`` is the row number of each one's open.

    Every swap ends in one place: swaps = used + rejections + equal_duplicates + unfinished.
    """

    candles: pa.Table
    first_rows: Integers
    used: int
    rejections: tuple[Rejection, ...]
    equal_duplicates: int
    unfinished: int


def candles_from_swaps(swaps: pa.Table, *, resolution: str, span: SourceSpan | None) -> SwapCandles:
    """The candles of all tokens in ``swaps`` (`SWAP_SCHEMA`) at a resolution of `resolution`."""
    step = step_of(resolution)
    tokens = token_codes(swaps).codes
    stamps = microseconds(swaps["ts"])
    quote, base = floats(swaps["quote"]), floats(swaps["tokens"])
    price = _prices(swaps, quote, base)
    rejected = _Rejected(np.asarray(swaps["row_number"].to_numpy(), dtype=np.int64))
    _apply_row_rules(swaps, quote, base, price, rejected)

    order = _execution_order(tokens, stamps)
    order = order[rejected.undecided[order]]
    repeats = _listed_twice(swaps, order, tokens, stamps, quote, base, price)
    order = order[~repeats]
    finished = _finished(tokens[order], stamps[order], step, span)
    unfinished = int((~finished).sum())
    order = order[finished]

    firsts = run_starts(tokens[order], stamps[order] // step)
    far = _far_prices(price[order], quote[order], firsts)
    for position in row_positions(~np.isnan(far)).tolist():
        row = int(order[position])
        rejected.add(row, "swap_price_far", _far_reason(price[row], far[position], stamps[row] // step * step))
    order = order[np.isnan(far)]

    firsts = run_starts(tokens[order], stamps[order] // step)
    opened, used = order[firsts], price[order]
    lasts = np.append(firsts[1:], len(order)) - 1
    named = rows_at(swaps.select(["token_address", "chain"]), opened)
    columns = {
        "token_address": named["token_address"],
        "chain": named["chain"],
        "ts": instants(stamps[opened] // step * step),
        "open": pa.array(used[firsts]),
        "high": pa.array(np.maximum.reduceat(used, firsts) if len(firsts) else used),
        "low": pa.array(np.minimum.reduceat(used, firsts) if len(firsts) else used),
        "close": pa.array(used[lasts] if len(firsts) else used),
        "volume": pa.array(exact_sums(quote[order], firsts), pa.float64()),
    }
    return SwapCandles(
        candles=pa.table([columns[name] for name in CANDLE_SCHEMA.names], schema=CANDLE_SCHEMA),
        first_rows=rejected.row_numbers[opened],
        used=len(order),
        rejections=tuple(sorted(rejected.found, key=lambda rejection: rejection.row_number)),
        equal_duplicates=int(repeats.sum()),
        unfinished=unfinished,
    )


class _Rejected:
    """What was rejected so far: the first rule that a row breaks counts."""

    def __init__(self, row_numbers: Integers) -> None:
        self.row_numbers = row_numbers
        self.undecided = np.ones(len(row_numbers), dtype=np.bool_)
        self.found: list[Rejection] = []

    def apply(self, rule_id: str, broken: Mask, reason: Callable[[int], str]) -> None:
        for row in row_positions(self.undecided & broken).tolist():
            self.add(row, rule_id, reason(row))

    def add(self, row: int, rule_id: str, reason: str) -> None:
        self.undecided[row] = False
        self.found.append(Rejection(int(self.row_numbers[row]), rule_id, reason))


def _prices(swaps: pa.Table, quote: Floats, base: Floats) -> Floats:
    written = floats(swaps["price"])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        paid: Floats = quote / base
    return np.where(np.isnan(written), paid, written)


def _apply_row_rules(swaps: pa.Table, quote: Floats, base: Floats, price: Floats, rejected: _Rejected) -> None:
    sides = compute.utf8_lower(compute.utf8_trim_whitespace(one_array(swaps["side"])))
    known: Mask = ~is_valid(sides) | np.asarray(
        compute.fill_null(compute.is_in(sides, value_set=pa.array(sorted(SIDES))), False).to_numpy(zero_copy_only=False)
    )
    written = swaps["side"]
    rejected.apply(
        "swap_side_unknown", ~known, lambda row: f"the side {written[row].as_py()!r} is neither buy nor sell"
    )
    with np.errstate(invalid="ignore"):
        no_amount: Mask = ~((quote > 0) & (base > 0) & np.isfinite(quote) & np.isfinite(base))
        rejected.apply(
            "swap_amount_not_positive",
            no_amount,
            lambda row: f"{float(quote[row])!r} paid for {float(base[row])!r} tokens make no price",
        )
        rounding = _half_of_last_decimal(quote, _QUOTE_DECIMALS) + price * _half_of_last_decimal(base, _TOKEN_DECIMALS)
        agrees: Mask = np.abs(price * base - quote) <= PRICE_TOLERANCE * quote + rounding
    rejected.apply(
        "swap_price_mismatch",
        ~(agrees & np.isfinite(price) & (price > 0)),
        lambda row: (
            f"the price {float(price[row])!r} is not what was paid: {float(quote[row])!r} for "
            f"{float(base[row])!r} tokens make {float(quote[row] / base[row])!r}"
        ),
    )


def _half_of_last_decimal(values: Floats, at_least: int) -> float:
    """Half a unit of the last decimal that all values can do with; 0 where they need more than nine."""
    finite = values[np.isfinite(values)]
    for decimals in range(at_least, _MOST_DECIMALS + 1):
        if bool((np.round(finite, decimals) == finite).all()):
            return 0.5 * 10.0**-decimals
    return 0.0


def _execution_order(tokens: Integers, stamps: Integers) -> Integers:
    """The rows by token and time, those of one time in the order in which they were executed."""
    position = np.arange(len(tokens), dtype=np.int64)
    listed = np.lexsort((position, tokens))
    steps = np.diff(stamps[listed])
    same_token = np.diff(tokens[listed]) == 0
    balance = np.zeros(int(tokens.max(initial=-1)) + 1, dtype=np.int64)
    np.add.at(balance, tokens[listed][1:][same_token], np.sign(steps[same_token]))
    position = np.where(balance[tokens] < 0, -position, position)
    return np.lexsort((position, stamps, tokens)).astype(np.int64)


def _listed_twice(swaps: pa.Table, order: Integers, tokens: Integers, stamps: Integers, *values: Floats) -> Mask:
    """Per row of ``order`` whether an earlier one has its signature, token, time, side, trader and values."""
    text = [one_array(swaps[name]) for name in ("signature", "side", "trader")]
    signed = is_valid(text[0])
    codes = [np.asarray(compute.fill_null(compute.dictionary_encode(column).indices, -1)) for column in text]
    keys = [column[order] for column in (*codes, tokens, stamps, *values)]
    grouped = np.lexsort((np.arange(len(order)), *reversed(keys)))
    repeats = np.zeros(len(order), dtype=np.bool_)
    repeats[grouped] = repeats_previous(*(column[grouped] for column in keys)) & signed[order][grouped]
    return repeats


def _finished(tokens: Integers, stamps: Integers, step: int, span: SourceSpan | None) -> Mask:
    """Per swap, sorted by token and time, whether all of its interval is known."""
    buckets = stamps // step
    if span is not None:
        first, end = -(-epoch_microseconds(span.start) // step), epoch_microseconds(span.end) // step
        inside: Mask = (buckets >= first) & (buckets < end)
        return inside
    last_bucket = np.zeros(int(tokens.max(initial=-1)) + 1, dtype=np.int64)
    last_bucket[tokens] = buckets
    earlier: Mask = buckets < last_bucket[tokens]
    return earlier


def _far_prices(price: Floats, quote: Floats, firsts: Integers) -> Floats:
    """Per swap the middle price of its candle where its own is far from it, else NaN."""
    found = np.full(len(price), np.nan)
    bounds = [*firsts.tolist(), len(price)]
    for start, end in pairwise(bounds):
        prices, amounts = price[start:end], quote[start:end]
        if prices.max() <= FAR * prices.min():
            continue
        # In order of value, so that the sums, and with them the choice, do not depend on the order of rows.
        ranked = np.lexsort((amounts, prices))
        traded = np.cumsum(amounts[ranked])
        middle = prices[ranked][np.searchsorted(traded, traded[-1] / 2)]
        is_far = (prices > FAR * middle) | (prices * FAR < middle)
        found[start:end][is_far] = middle
    return found


def _far_reason(price: float, middle: float, opened: int) -> str:
    times, where = (price / middle, "above") if price > middle else (middle / price, "below")
    return (
        f"the price {float(price)!r} is {times:,.0f} times {where} {float(middle)!r}, "
        f"the middle price of the candle of {iso_text(opened)}"
    )
