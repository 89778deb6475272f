"""Which days a file that came in is about. Read once per artifact and process: artifacts never change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from quantlab_core.alerts.touched_days import days_with_events, touched_days
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.slices import days_reached
from quantlab_core.candles.source_spans import SourceSpan, decode_spans
from quantlab_core.errors import QuantlabError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.lab import Lab


@dataclass(frozen=True, slots=True)
class DaysOfExport:
    """UTC days, as text, whose alerts an export's messages can change, and those on which one of them calls."""

    touched: frozenset[str] = frozenset()
    with_events: frozenset[str] = frozenset()


NO_DAYS = DaysOfExport()
"""Of an export that cannot be read: what is damaged changes no alerts, and `lake verify` tells of it."""


@lru_cache(maxsize=10_000)
def days_of_export(store: ParquetArtifactStore, dispositions_id: str) -> DaysOfExport:
    """The days of the export whose ``message_dispositions_v1`` these are. Raises IntegrityError."""
    table = store.read(dispositions_id)
    return DaysOfExport(
        frozenset(map(str, touched_days(table))),
        frozenset(map(str, days_with_events(table))),
    )


@lru_cache(maxsize=10_000)
def days_of_imported_file(store: ParquetArtifactStore, imported_id: str) -> frozenset[str]:
    """The cohort days, as text, whose slices the candles of an ``imported_candles_v1`` can change.

    Raises IntegrityError.
    """
    artifact = store.get_artifact(imported_id)
    if artifact.min_ts is None or artifact.max_ts is None:
        return frozenset()
    attributes = attributes_of(store.read(imported_id))
    end = parse_timestamp(artifact.max_ts) + RESOLUTIONS[attributes["resolution"]]
    spans = decode_spans(attributes["source_spans"]) or (SourceSpan(parse_timestamp(artifact.min_ts), end),)
    return frozenset(str(day) for span in spans for day in days_reached(span.start, span.end))


def has_imported_source(lab: Lab) -> bool:
    """Whether candles come from the files that were imported, and not from a source that somebody configured."""
    from quantlab_resources.candles.imported_candle_source import ImportedCandleSource

    try:
        return isinstance(lab.candle_source, ImportedCandleSource)
    except QuantlabError:
        return False
