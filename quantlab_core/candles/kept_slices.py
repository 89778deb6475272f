"""Whether a slice stays although its token was asked for again: no answer without candles takes known ones away.

A source that was changed, emptied or named by mistake says nothing against the candles that another one gave; nor does
a database that has let old rows go. Only imported files are all that they ever were: what they gave and no longer give
was withdrawn, by an import with ``--replaces`` for instance, and must not stay behind.
"""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.candle_source import IMPORTED_FILES, SourcedCandles
from quantlab_core.candles.source_spans import decode_spans


def may_stay(answer: SourcedCandles) -> bool:
    """Whether the answer is one that a current slice may outlast: cheap to ask before the slice is read."""
    return not answer.candles.num_rows


def stays(current: pa.Table, answer: SourcedCandles) -> bool:
    """Whether the ``current`` slice outlasts the source's ``answer`` for the same key.

    An answer with a span and without candles says that the token was silent: it takes the place of a slice without
    candles, and of no other. One that says nothing takes the place of a slice that says nothing.
    """
    stated = attributes_of(current)
    if not may_stay(answer) or stated["source"] == answer.source == IMPORTED_FILES:
        return False
    return current.num_rows > 0 or (not answer.spans and bool(decode_spans(stated["source_spans"])))
