"""The alert sources that quantlab reads, told apart by content.

To add one: write a module beside this one with a class that implements `AlertSource`, and add it to `ALERT_SOURCES`.
The archive, the assets and the command line take whatever stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from quantlab_core.alerts.alert_source import AlertSource, ReadingReport, ReadOptions
from quantlab_core.alerts.telegram_message import RawMessage
from quantlab_resources.alerts.export_folder import export_file
from quantlab_resources.alerts.telegram_html import TelegramHtml
from quantlab_resources.alerts.telegram_json import TelegramJson

ALERT_SOURCES: tuple[AlertSource, ...] = (TelegramHtml(), TelegramJson())
"""In the order in which they are asked; the last also takes what none recognises, and says what is wrong with it."""

_HEAD_BYTES = 4096


def read_messages(
    path: Path, options: ReadOptions | None = None, report: ReadingReport | None = None
) -> Iterator[RawMessage]:
    """Every message of the export at ``path`` (a file or its folder), by the first source that recognises it.

    Raises as `AlertSource.read`.
    """
    path = export_file(path)
    head = _head_of(path)
    source = next((source for source in ALERT_SOURCES if source.recognises(head)), ALERT_SOURCES[-1])
    return source.read(path, options or ReadOptions(), report or ReadingReport())


def is_any_export(path: Path, options: ReadOptions | None = None) -> None:
    """A first glance, without reading it all: raise TelegramExportError for what is no export, or lacks a statement."""
    if next(iter(read_messages(path, options)), None) is None:
        return


def _head_of(path: Path) -> bytes:
    """The first bytes of the file; nothing where it cannot be read, which the source then reports in its own words."""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""
