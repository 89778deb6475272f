"""Alert sources are told apart by content, and every form that is known is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantlab_core.errors import NotFoundError, TelegramExportError
from quantlab_resources.alerts.alert_sources import ALERT_SOURCES, read_messages

EXPORT = {"name": "calls", "type": "private_group", "id": 5, "messages": [{"id": 1, "type": "message", "text": "gm"}]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_telegram_export_is_recognised_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(EXPORT), encoding=encoding)
    head = path.read_bytes()[:4096]
    assert [source.name for source in ALERT_SOURCES if source.recognises(head)] == ["Telegram Desktop JSON"]
    assert [message.payload["text"] for message in read_messages(path)] == ["gm"]


def test_what_no_source_recognises_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert not any(source.recognises(b"hello") for source in ALERT_SOURCES)
    with pytest.raises(TelegramExportError, match="not JSON"):
        list(read_messages(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"missing\.json not found"):
        list(read_messages(tmp_path / "missing.json"))
