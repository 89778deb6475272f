"""What the user says about a candle file, beside what the file says itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

PriceUnit = Literal["usd", "sol"]
VolumeUnit = Literal["usd", "sol", "token", "unknown"]
PRICE_UNITS = ("usd", "sol")
VOLUME_UNITS = ("usd", "sol", "token", "unknown")
AUTO = "auto"
"""The format is told by content."""


@dataclass(frozen=True, slots=True)
class CandleFileDeclaration:
    """What the user says about a file; None where nothing is said.

    ``token`` and ``chain`` are needed where the file does not name them. ``resolution``, ``price_unit`` and
    ``volume_unit`` are needed where the format does not state them. ``span_from`` and ``span_to`` (both or none) state
    for which time [from, to) the source was asked; without them the span of a token runs from its first to its last
    candle. ``time_zone`` is the IANA zone of times that carry none. ``fetched_at`` is when the file was fetched: the
    candle that was open then is dropped. ``accept_regular_gaps`` admits a token that trades by the clock, which
    otherwise looks like candles of a coarser interval. ``source`` is a name of `candle_formats.FORMATS`, or ``auto``.
    """

    token: str | None = None
    chain: str | None = None
    resolution: str | None = None
    price_unit: PriceUnit | None = None
    volume_unit: VolumeUnit | None = None
    span_from: datetime | None = None
    span_to: datetime | None = None
    time_zone: str | None = None
    fetched_at: datetime | None = None
    accept_regular_gaps: bool = False
    source: str = AUTO
