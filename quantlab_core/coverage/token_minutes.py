"""One token's one-minute series as sorted minutes: what all counting of coverage works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import Floats, Integers, Mask, floats, microseconds
from quantlab_core.candles.epoch_time import MINUTE_US
from quantlab_core.candles.resolution import ONE_MINUTE, length_of
from quantlab_core.candles.source_spans import decode_spans
from quantlab_core.candles.spanned_intervals import SpannedIntervals
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token


@dataclass(frozen=True, slots=True)
class TokenMinutes:
    """The minutes that its source was asked for, and the candles among them, in minutes since the epoch."""

    spanned: SpannedIntervals
    minutes: Integers
    traded_before: Integers
    """Traded candles among the first k; one longer than ``minutes``."""

    @classmethod
    def of(cls, token: Token, table: pa.Table | None) -> TokenMinutes:
        """The minutes of the token's series; without a series nothing is spanned.

        Raises InvalidInputError for a series of another resolution.
        """
        if table is None:
            none = np.zeros(0, dtype=np.int64)
            return cls(SpannedIntervals(none, none), none, _running_total(none))
        attributes = attributes_of(table)
        if attributes.get("resolution") != ONE_MINUTE:
            raise InvalidInputError(
                f"{token.partition_key}: coverage counts minutes and needs a {ONE_MINUTE} series, "
                f"not {attributes.get('resolution')}"
            )
        spanned = SpannedIntervals.of(decode_spans(attributes["source_spans"]), length_of(ONE_MINUTE))
        ordered = table.sort_by("ts")
        minutes = microseconds(ordered["ts"]) // MINUTE_US
        inside = spanned.hold(minutes)
        volume: Floats = floats(ordered["volume"])[inside]
        return cls(spanned, minutes[inside], _running_total(volume > 0))


def _running_total(values: Integers | Mask) -> Integers:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)))
