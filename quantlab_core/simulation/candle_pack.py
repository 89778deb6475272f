"""All candles of a frozen set in one place: concatenated arrays, in the form that compiled code reads.

A pack may lie in memory or be a view of a mapped file (see ``docs/projections.md``); who reads it cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quantlab_core.candles.epoch_time import epoch_microseconds
from quantlab_core.candles.source_spans import SourceSpan, decode_spans
from quantlab_core.errors import InvalidInputError
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.token import Token

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

NO_SERIES = -1
"""Series index of a call whose token has no candles in the pack."""


@dataclass(frozen=True, slots=True, eq=False)
class CandlePack:
    """The series of many tokens, one after the other. Times are epoch milliseconds UTC, spans epoch microseconds.

    Series ``i`` is of ``tokens[i]`` (ascending), its candles are the rows ``offsets[i]`` to ``offsets[i + 1]`` of
    ``ts_ms``, ``open``, ``high``, ``low`` and ``close``, each of ``interval_ms[i]``. The spans for which its source
    answered are ``span_start_us`` and ``span_end_us`` from ``span_offsets[i]`` to ``span_offsets[i + 1]``, in the order
    in which they were stored. As with a `CandleSeries`, nothing is promised about the values. ``faults`` says of tokens
    that have candles, but none that a series can be made of, why not; they have no series.
    """

    tokens: tuple[Token, ...]
    offsets: Whole
    ts_ms: Whole
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    interval_ms: Whole
    span_offsets: Whole
    span_start_us: Whole
    span_end_us: Whole
    faults: Mapping[Token, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def rows(self) -> int:
        """Candles of all series together."""
        return len(self.ts_ms)

    def series(self, index: int) -> CandleSeries:
        """Series ``index`` as views of the pack, nothing copied."""
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return CandleSeries(
            self.ts_ms[part],
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            int(self.interval_ms[index]),
        )

    def spans_us(self, index: int) -> Iterator[tuple[int, int]]:
        """The source spans [start, end) of series ``index`` in epoch microseconds."""
        part = slice(int(self.span_offsets[index]), int(self.span_offsets[index + 1]))
        return zip(self.span_start_us[part].tolist(), self.span_end_us[part].tolist(), strict=True)

    def known_us(self, index: int) -> list[tuple[int, int]]:
        """For when the source of series ``index`` is known to have answered, [start, end) in epoch microseconds.

        Its spans; without any, from its first candle to its last.
        """
        spans, series = list(self.spans_us(index)), self.series(index)
        if not spans and len(series):
            return [(int(series.ts_ms[0]) * 1_000, (series.end_ms or 0) * 1_000)]
        return spans

    def require(self, tokens: Iterable[Token]) -> None:
        """Raise InvalidInputError for the first of ``tokens`` whose candles are at fault."""
        for token in tokens if self.faults else ():
            if token in self.faults:
                raise InvalidInputError(self.faults[token])

    def index_of(self) -> dict[Token, int]:
        """The series index of every token."""
        return {token: index for index, token in enumerate(self.tokens)}

    @classmethod
    def from_series(
        cls, series: Mapping[Token, CandleSeries], spans: Mapping[Token, Sequence[SourceSpan]] | None = None
    ) -> CandlePack:
        """A pack of ``series`` by token; a token without ``spans`` has none."""
        tokens = tuple(sorted(series))
        listed = [series[token] for token in tokens]
        spans_of = [tuple((spans or {}).get(token, ())) for token in tokens]
        return cls(
            tokens=tokens,
            offsets=_offsets([len(one) for one in listed]),
            ts_ms=_joined([one.ts_ms for one in listed], np.int64),
            open=_joined([one.open for one in listed], np.float64),
            high=_joined([one.high for one in listed], np.float64),
            low=_joined([one.low for one in listed], np.float64),
            close=_joined([one.close for one in listed], np.float64),
            interval_ms=np.array([one.interval_ms for one in listed], dtype=np.int64),
            span_offsets=_offsets([len(one) for one in spans_of]),
            span_start_us=np.array([epoch_microseconds(s.start) for one in spans_of for s in one], dtype=np.int64),
            span_end_us=np.array([epoch_microseconds(s.end) for one in spans_of for s in one], dtype=np.int64),
        )

    @classmethod
    def from_tables(cls, tables: Mapping[Token, pa.Table]) -> CandlePack:
        """A pack of tables of the token candles schema, whose metadata hold ``resolution`` and ``source_spans``.

        Raises InvalidInputError for a table without resolution.
        """
        series, spans = {}, {}
        for token in sorted(tables):
            series[token], spans[token] = series_and_spans(token, tables[token])
        return cls.from_series(series, spans)


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """The calls to be simulated: ``series_index`` in the pack (`NO_SERIES`: none) and ``tradable_from_ms``.

    ``tradable_from_ms`` is epoch milliseconds UTC: the instant from which the call could be acted on.
    """

    series_index: Whole
    tradable_from_ms: Whole

    def __len__(self) -> int:
        return len(self.series_index)

    @classmethod
    def of(cls, pack: CandlePack, calls: Sequence[tuple[Token, int]]) -> Calls:
        """Calls of (token, tradable from in epoch milliseconds)."""
        index_of = pack.index_of()
        return cls(
            np.array([index_of.get(token, NO_SERIES) for token, _ in calls], dtype=np.int64),
            np.array([from_ms for _, from_ms in calls], dtype=np.int64),
        )


def series_and_spans(token: Token, table: pa.Table) -> tuple[CandleSeries, tuple[SourceSpan, ...]]:
    """The series in a table of the token candles schema, and the spans for which its source answered.

    Raises InvalidInputError for a table whose metadata do not say its resolution, or say spans that are none.
    """
    metadata = table.schema.metadata or {}
    resolution = metadata.get(b"resolution")
    if resolution is None:
        raise InvalidInputError(f"candles of {token.partition_key}: the table's metadata do not say its resolution")
    series = CandleSeries.from_table(table, resolution.decode())
    spans = metadata.get(b"source_spans", b"")
    try:
        return series, decode_spans(spans.decode()) if spans else ()
    except (ValueError, TypeError):
        raise InvalidInputError(f"candles of {token.partition_key}: {spans[:60]!r} are no source spans") from None


def _offsets(lengths: Sequence[int]) -> Whole:
    return np.concatenate(([0], np.cumsum(np.array(lengths, dtype=np.int64)))).astype(np.int64)


def _joined(arrays: Sequence[npt.NDArray[Any]], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.empty(0, dtype=dtype)
