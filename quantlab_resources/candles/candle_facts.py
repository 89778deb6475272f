"""Facts of a candle file: what its format states beside what the user declares; they must not contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.candle_declaration import PRICE_UNITS, VOLUME_UNITS, CandleFileDeclaration
from quantlab_resources.candles.formats.format_rows import CandleFormat, FormatRows

HOUSE_RESOLUTION = "1m"
HOUSE_UNIT = "usd"


@dataclass(frozen=True, slots=True)
class CandleFacts:
    """What holds for every row of a file. ``resolution`` is None where it has yet to be found in the steps."""

    resolution: str | None
    price_unit: str
    volume_unit: str
    span: SourceSpan | None


def settled_facts(path: Path, kind: CandleFormat, stated: FormatRows, declared: CandleFileDeclaration) -> CandleFacts:
    """What is stated or declared. Raises CandleFileError for a contradiction, and for a unit that nobody named."""
    house = HOUSE_UNIT if kind.assumes_house_units else None
    resolution = _one_of(path, kind, "resolution", stated.resolution, declared.resolution)
    price_unit = _one_of(path, kind, "price-unit", stated.price_unit, declared.price_unit) or house
    volume_unit = _one_of(path, kind, "volume-unit", stated.volume_unit, declared.volume_unit) or house
    if price_unit is None or volume_unit is None:
        unnamed = [
            f"--{name} ({', '.join(known)})"
            for name, unit, known in (
                ("price-unit", price_unit, PRICE_UNITS),
                ("volume-unit", volume_unit, VOLUME_UNITS),
            )
            if unit is None
        ]
        raise CandleFileError(f"{path}: {kind.name} files do not state their units; declare {' and '.join(unnamed)}")
    for what, value, known in (
        ("interval", resolution, tuple(RESOLUTIONS)),
        ("price unit", price_unit, PRICE_UNITS),
        ("volume unit", volume_unit, VOLUME_UNITS),
    ):
        if value is not None and value not in known:
            raise CandleFileError(
                f"{path}: its {what} {value!r} is none that can be stored ({', '.join(known)}); fetch it in one of them"
            )
    return CandleFacts(resolution, price_unit, volume_unit, _span(path, kind, stated.span, declared))


def _one_of(path: Path, kind: CandleFormat, flag: str, stated: str | None, declared: str | None) -> str | None:
    if stated is not None and declared is not None and stated != declared:
        raise CandleFileError(
            f"{path}: --{flag} {declared} is declared, but the {kind.name} file states {stated}; leave out --{flag}"
        )
    return stated or declared


def _span(
    path: Path, kind: CandleFormat, stated: SourceSpan | None, declared: CandleFileDeclaration
) -> SourceSpan | None:
    if declared.span_from is None or declared.span_to is None:
        return stated
    span = SourceSpan(declared.span_from, declared.span_to)
    if stated is not None and not (stated.start <= span.start and span.end <= stated.end):
        raise CandleFileError(
            f"{path}: --from and --to reach beyond the time for which the {kind.name} file states that it was asked, "
            f"{stated.start.isoformat()} to {stated.end.isoformat()}; leave them out"
        )
    return span
