"""The finest candles that a source has of each token.

A source is asked for the finest resolution first. Only what it does not know there is asked for in the next coarser
one, and so on. Coarser candles of a token that has finer ones are not stored: they follow by `aggregation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from quantlab_core.candles.candle_source import CandleRequest, CandleSource, SourcedCandles
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request and what the source said to it."""

    request: CandleRequest
    sourced: SourcedCandles


def finest_first(names: Sequence[str]) -> tuple[str, ...]:
    """These resolutions, the finest first. Raises InvalidInputError for a name that is none, or for none at all."""
    unknown = [name for name in names if name not in RESOLUTIONS]
    if unknown or not names:
        named = repr(unknown[0]) if unknown else "an empty list"
        raise InvalidInputError(f"{named} is no candle resolution; known are {', '.join(RESOLUTIONS)}")
    return tuple(name for name in RESOLUTIONS if name in names)


def fetch_finest(
    source: CandleSource,
    requests: Sequence[CandleRequest],
    resolutions: Sequence[str],
    *,
    is_published: Callable[[CandleRequest], bool],
    asked_by: str = "",
) -> Iterator[AnsweredRequest]:
    """The answers for each of ``requests`` (whatever their resolution) in the finest of ``resolutions`` that has some.

    What ``is_published`` already in a resolution is asked for again in it, whatever finer candles there are, and its
    answer is given even where the source no longer knows it: whether what was published stays, `kept_slices` tells. One
    query per resolution. Raises CandleSourceError, and InvalidInputError for an unknown resolution.
    """
    answered: set[int] = set()
    for resolution in finest_first(resolutions):
        at = {number: replace(request, resolution=resolution) for number, request in enumerate(requests)}
        published = {number for number, request in at.items() if is_published(request)}
        asked = [number for number in at if number not in answered or number in published]
        if not asked:
            continue
        answers = source.fetch_many([at[number] for number in asked], asked_by=asked_by)
        for number, sourced in zip(asked, answers, strict=True):
            if not sourced.is_unknown:
                answered.add(number)
            if not sourced.is_unknown or number in published:
                yield AnsweredRequest(at[number], sourced)
