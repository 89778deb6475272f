"""Which lengths of candles a table holds, and from when to when: outside of that its silence says nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from quantlab_core.candles.epoch_time import EPOCH
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_resources.candles.clickhouse.candle_queries import FIRST, LAST, SPELLING, resolution_of


@dataclass(frozen=True, slots=True)
class Reach:
    """A resolution in the table's own spellings, and the time from its first candle's open to its last one's close."""

    spellings: tuple[str, ...]
    span: SourceSpan


def reach_by_resolution(rows: Iterable[Mapping[str, Any]]) -> dict[str, Reach]:
    """The answer to `candle_queries.reach_query` by resolution; lengths that are none are left out."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        resolution = resolution_of(row[SPELLING] or "")
        if resolution is not None:
            found[resolution].append(row)
    return {
        resolution: Reach(
            tuple(sorted(row[SPELLING] for row in of_resolution)),
            _span(
                min(row[FIRST] for row in of_resolution),
                max(row[LAST] for row in of_resolution),
                RESOLUTIONS[resolution],
            ),
        )
        for resolution, of_resolution in found.items()
    }


def _span(first: int, last: int, step: timedelta) -> SourceSpan:
    return SourceSpan(_opened(first, step), _opened(last, step) + step)


def _opened(seconds: int, step: timedelta) -> datetime:
    """When the candle opened that a second since the epoch falls into."""
    return EPOCH + timedelta(seconds=seconds) // step * step
