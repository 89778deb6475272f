"""One series per token and resolution, merged from its slices, with what the merge says of each candle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.candles.arrow_columns import Integers
from quantlab_core.candles.duplicate_candles import merge_with_conflicts
from quantlab_core.candles.series_quality import with_quality
from quantlab_core.candles.source_spans import decode_spans, encode_spans, merge_spans
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.errors import InvalidInputError

UNKNOWN_UNIT = "unknown"


def merge_slices(slices: Sequence[pa.Table]) -> pa.Table:
    """The candles of all slices as one series: token_candles schema and attributes, rows by ``ts`` without duplicates.

    Candles that several slices hold with different values are decided by `duplicate_candles`; spans are united. The
    result does not depend on the order of the slices. Slices of different tokens, resolutions or units have no common
    series: InvalidInputError. A unit that is unknown contradicts no other and makes the whole series' unit unknown. The
    units of a slice that holds neither candle nor span say nothing and are not compared.
    """
    return _merged(slices)[0]


def token_series(slices: Sequence[pa.Table]) -> pa.Table:
    """`merge_slices` in the schema of ``token_candles_v1``: every candle with its quality (see `series_quality`).

    Slices that occur twice are counted twice: the quality is that of exactly these slices.
    """
    return with_quality(*_merged(slices))


def _merged(slices: Sequence[pa.Table]) -> tuple[pa.Table, Sequence[pa.Table], Integers]:
    """The merged candles with their attributes, the slices, and how many candles lost to each."""
    if not slices:
        raise InvalidInputError("a token's series needs at least one slice; export its candles first")
    attributes = [attributes_of(table) for table in slices]
    candles, conflicts = merge_with_conflicts(slices)
    tokens = [token.partition_key for token in token_codes(candles).tokens]
    if len(tokens) > 1:
        raise InvalidInputError(f"slices of {tokens[0]} and {tokens[1]} cannot be merged into one series")
    spans_of = [decode_spans(named["source_spans"]) for named in attributes]
    telling = [
        named
        for named, table, spans in zip(attributes, slices, spans_of, strict=True)
        if table.num_rows > 0 or merge_spans(spans)
    ]
    subject = tokens[0] if tokens else "a token without candles"
    series = with_attributes(
        candles,
        {
            "resolution": _common(attributes, "resolution", subject),
            "source": "+".join(
                sorted({part for named in telling or attributes for part in named["source"].split("+")})
            ),
            "source_spans": encode_spans(merge_spans(chain.from_iterable(spans_of))),
            "price_unit": _common(telling, "price_unit", subject),
            "volume_unit": _common(telling, "volume_unit", subject),
        },
    )
    return series, slices, conflicts


def _common(attributes: Sequence[dict[str, str]], name: str, subject: str) -> str:
    values = sorted({named[name] for named in attributes})
    known = [value for value in values if value != UNKNOWN_UNIT]
    if len(known) > 1:
        raise InvalidInputError(
            f"{subject}: its slices have {name.replace('_', ' ')} {' and '.join(known)}; import the file in question "
            "again with the right declaration, then export the slices again"
        )
    return known[0] if known == values and known else UNKNOWN_UNIT
