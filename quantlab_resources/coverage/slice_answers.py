"""When the candle source answered for a slice: what the manifest's publications tell, repeated answers included."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import OHLCV_SLICE, SLICE_QUARANTINE
from quantlab_core.candles.slices import cohort_window, slice_key_parts
from quantlab_core.coverage.gaps import RESOLUTION
from quantlab_core.token import Token
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue


class SliceAnswers:
    """Times at which answers were published, by token and cohort day.

    A run over a day publishes the day's quarantine of rows, empty or not, also when the source knew none of its tokens;
    so the day's publications count for all of them. A slice's own count too: older lakes have no such quarantine.
    """

    def __init__(self, catalogue: ArtifactCatalogue) -> None:
        self._catalogue = catalogue
        self._of_day = cache(self._day_answers)

    def __call__(self, token: Token, day: date) -> list[datetime]:
        """The times, in order."""
        key = format_key(OHLCV_SLICE, slice_key_parts(token, RESOLUTION, *cohort_window(day)))
        return sorted({*self._of_day(day), *self._published(OHLCV_SLICE.name, key)})

    def _day_answers(self, day: date) -> frozenset[datetime]:
        return frozenset(self._published(SLICE_QUARANTINE.name, f"day={day.isoformat()}"))

    def _published(self, artifact_type: str, logical_key: str) -> list[datetime]:
        """The times at which any content was published under this key."""
        return [
            parse_timestamp(record.at)
            for artifact in self._catalogue.find_by_logical_key(artifact_type, logical_key)
            for record in self._catalogue.publications(artifact.artifact_id)
        ]
