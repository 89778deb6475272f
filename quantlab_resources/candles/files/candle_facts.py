"""Facts of a candle file: what its format states beside what the user declares; they must not contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from quantlab_core.candles.interval_detection import MIN_ROWS, detect_interval
from quantlab_core.candles.mixed_intervals import refuse_mixed_intervals
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import PRICE_UNITS, VOLUME_UNITS, CandleFileDeclaration
from quantlab_resources.candles.files.formats.format_rows import CandleFormat, FormatRows

HOUSE_RESOLUTION = "1m"
HOUSE_UNIT = "usd"


@dataclass(frozen=True, slots=True)
class CandleFacts:
    """What holds for every row of a file. ``resolution`` is None where it has yet to be found in the steps."""

    resolution: str | None
    resolution_is_stated: bool
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
        unnamed = {
            f"--price-unit ({', '.join(PRICE_UNITS)})": price_unit is None,
            f"--volume-unit ({', '.join(VOLUME_UNITS)})": volume_unit is None,
            "--token": declared.token is None and stated.token is None and "token_address" not in stated.columns,
            "--chain": declared.chain is None and stated.chain is None and "chain" not in stated.columns,
        }
        wanted = [flag for flag, is_missing in unnamed.items() if is_missing]
        raise CandleFileError(f"{path}: this {kind.name} file does not state its units; declare {', '.join(wanted)}")
    for what, value, known in (
        ("interval", resolution, tuple(RESOLUTIONS)),
        ("price unit", price_unit, PRICE_UNITS),
        ("volume unit", volume_unit, VOLUME_UNITS),
    ):
        if value is not None and value not in known:
            raise CandleFileError(
                f"{path}: its {what} {value!r} is none that can be stored ({', '.join(known)}); fetch it in one of them"
            )
    span = _span(path, kind, stated.span, declared)
    return CandleFacts(resolution, stated.resolution is not None, price_unit, volume_unit, span)


@dataclass(frozen=True, slots=True)
class SettledInterval:
    """The resolution of a file, and how it is known."""

    resolution: str
    reason: str


def settled_interval(rows: pa.Table, kind: CandleFormat, facts: CandleFacts, subject: str) -> SettledInterval:
    """The resolution that is stated or declared, else the one that the steps of ``rows`` prove.

    The house's own form is taken for 1m where so few rows cannot prove it but do not speak against it. Raises
    CandleFileError where the resolution has to be declared.
    """
    if facts.resolution is not None:
        return SettledInterval(facts.resolution, "stated" if facts.resolution_is_stated else "declared")
    found = detect_interval(rows)
    if found.resolution is not None:
        return SettledInterval(found.resolution, found.reason)
    if found.coarsest_grid is None:  # rows of another interval, or two: named as such, they are easier to find
        refuse_mixed_intervals(rows, resolution=HOUSE_RESOLUTION, subject=subject)
    speaks_against = found.steps > 0 and found.coarsest_grid not in {None, HOUSE_RESOLUTION}
    is_plausible = found.rows < MIN_ROWS and not speaks_against
    if kind.assumes_house_units and is_plausible:
        return SettledInterval(HOUSE_RESOLUTION, "taken for granted")
    raise CandleFileError(
        f"{subject}: its interval is not stated, and too little shows it ({found.reason}); declare --resolution"
    )


def _one_of(path: Path, kind: CandleFormat, flag: str, stated: str | None, declared: str | None) -> str | None:
    if stated is not None and declared is not None and stated != declared:
        raise CandleFileError(
            f"{path}: --{flag} {declared} is declared, but the {kind.name} file states {stated}; leave out --{flag}"
        )
    return stated or declared


def _span(
    path: Path, kind: CandleFormat, stated: SourceSpan | None, declared: CandleFileDeclaration
) -> SourceSpan | None:
    span = declared.span
    if span is None:
        return stated
    if stated is not None and not (stated.start <= span.start and span.end <= stated.end):
        raise CandleFileError(
            f"{path}: --from and --to reach beyond the time for which the {kind.name} file states that it was asked, "
            f"{stated.start.isoformat()} to {stated.end.isoformat()}; leave them out"
        )
    return span
