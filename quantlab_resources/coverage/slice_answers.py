"""When the candle source answered for a day: what the manifest's publications tell, repeated answers included."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import SLICE_QUARANTINE
from quantlab_core.candles.candle_source import ASKED_OF
from quantlab_core.token import Token
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue


class SliceAnswers:
    """Times at which the answers of one source were published, by token and cohort day.

    A run over a day publishes the day's quarantine of rows, empty or not, also when the source knew none of its tokens,
    with the source's fingerprint among its parameters; so the day's publications count for all of its tokens. What
    another source answered, or imported files before the latest import, says nothing of what this one would.
    """

    def __init__(self, catalogue: ArtifactCatalogue, fingerprint: str) -> None:
        self._catalogue = catalogue
        self._fingerprint = fingerprint
        self._of_day = cache(self._day_answers)

    def __call__(self, token: Token, day: date) -> list[datetime]:
        """The times, in order."""
        return self._of_day(day)

    def _day_answers(self, day: date) -> list[datetime]:
        contents = self._catalogue.find_by_logical_key(SLICE_QUARANTINE.name, f"day={day.isoformat()}")
        records = (record for content in contents for record in self._catalogue.publications(content.artifact_id))
        own = (record for record in records if record.params.get(ASKED_OF) == self._fingerprint)
        return sorted(parse_timestamp(record.at) for record in own)
