"""The formats of candle files, by name: the one place where a format is added."""

from __future__ import annotations

from pathlib import Path

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.candle_declaration import AUTO
from quantlab_resources.candles.formats import flat
from quantlab_resources.candles.formats.format_rows import CandleFormat
from quantlab_resources.candles.raw_rows import file_start

FORMATS: dict[str, CandleFormat] = {
    kind.name: kind
    for kind in (
        CandleFormat(
            "flat",
            "one candle per row under named columns, CSV or Parquet",
            flat.recognises,
            flat.read,
            assumes_house_units=True,
        ),
    )
}
"""In the order in which they are tried when the format is told by content."""


def format_of(path: Path, source: str) -> CandleFormat:
    """The format named ``source``, or with ``auto`` the one that the file certainly has.

    Raises NotFoundError, StorageError, and CandleFileError for an unknown name or a file that could be of several.
    """
    if source != AUTO:
        if source not in FORMATS:
            raise CandleFileError(f"{path}: --source {source!r} is not known; use {', '.join([AUTO, *FORMATS])}")
        return FORMATS[source]
    start = file_start(path)
    for kind in FORMATS.values():
        if kind.recognises(start):
            return kind
    return FORMATS["flat"]
