"""What the user says about a candle file, beside what the file says itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.errors import CandleFileError

PriceUnit = Literal["usd", "sol", "eth", "bnb", "btc"]
VolumeUnit = Literal["usd", "sol", "eth", "bnb", "btc", "token", "unknown"]
PRICE_UNITS: tuple[str, ...] = get_args(PriceUnit)
VOLUME_UNITS: tuple[str, ...] = get_args(VolumeUnit)
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

    @property
    def span(self) -> SourceSpan | None:
        """For which time it is said that the source was asked."""
        if self.span_from is None or self.span_to is None:
            return None
        return SourceSpan(self.span_from, self.span_to)


def check_declaration(path: Path, declaration: CandleFileDeclaration, as_of: datetime) -> None:
    """Raise CandleFileError for a declaration that no file could fit. ``as_of`` is when the file came in."""
    for flag, value, known in (
        ("--resolution", declaration.resolution, tuple(RESOLUTIONS)),
        ("--price-unit", declaration.price_unit, PRICE_UNITS),
        ("--volume-unit", declaration.volume_unit, VOLUME_UNITS),
    ):
        if value is not None and value not in known:
            raise CandleFileError(f"{path}: {flag} {value!r} is not known; use {', '.join(known)}")
    start, end = declaration.span_from, declaration.span_to
    if (start is None) != (end is None):
        raise CandleFileError(f"{path}: a source span needs both ends; declare --from and --to, or neither")
    if start is not None and end is not None:
        if start.tzinfo is None or end.tzinfo is None:
            raise CandleFileError(f"{path}: --from and --to need a zone, for example 2025-05-01T00:00:00Z")
        if not start < end <= as_of:
            raise CandleFileError(
                f"{path}: the declared span {start.isoformat()} to {end.isoformat()} must run forward and end by "
                f"{as_of.isoformat()}, when the file was there"
            )
    fetched_at = declaration.fetched_at
    if fetched_at is not None and (fetched_at.tzinfo is None or fetched_at > as_of):
        raise CandleFileError(
            f"{path}: --fetched-at needs a zone and must not lie after {as_of.isoformat()}, when the file was there"
        )
