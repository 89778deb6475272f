"""What was read of an export is handed to who reads the same bytes next, and to nobody else."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.errors import NotFoundError, TelegramExportError
from quantlab_resources.alerts.read_ahead import ReadAhead, archived_export, handing_over, read_export
from quantlab_tests.assets.small_inputs import write_export
from quantlab_tests.core.alerts.invented_chat import exported, mint

NOTHING_SAID = ReadOptions()
LATER = date(2030, 1, 1)


def an_export(folder: Path, text: str = "gm") -> tuple[Path, str]:
    path = write_export(folder / "a.json", exported(1, mint("owl")), exported(2, text, at=60))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_reading_is_handed_over_once_and_is_what_the_archive_would_read(tmp_path: Path) -> None:
    path, sha256 = an_export(tmp_path)
    ahead = ReadAhead(1e9)
    ahead.read_to_its_end(path, NOTHING_SAID)
    handed = ahead.readings[sha256]
    with handing_over(ahead):
        assert archived_export(path, sha256, NOTHING_SAID, LATER) is handed
        again = archived_export(path, sha256, NOTHING_SAID, LATER)
    assert again is not handed
    assert again.tables == handed.tables
    assert again.report == handed.report


def test_other_bytes_other_options_and_messages_after_the_last_day_are_read_again(tmp_path: Path) -> None:
    path, sha256 = an_export(tmp_path)
    sent = read_export(path, NOTHING_SAID).newest_day
    assert sent is not None
    for asked in (("0" * 64, NOTHING_SAID, LATER), (sha256, ReadOptions(salvage=True), LATER)):
        ahead = ReadAhead(1e9)
        ahead.read_to_its_end(path, NOTHING_SAID)
        assert ahead.taken(*asked) is None
    ahead = ReadAhead(1e9)
    ahead.read_to_its_end(path, NOTHING_SAID)
    with handing_over(ahead):
        read = archived_export(path, sha256, NOTHING_SAID, date(2020, 1, 1))
    assert read.tables.messages.num_rows == 0, "all of them are later than the day on which the export came in"
    ahead.read_to_its_end(path, NOTHING_SAID)
    assert ahead.taken(sha256, NOTHING_SAID, sent) is not None


def test_what_changed_between_reading_and_archiving_is_not_taken_for_what_was_read(tmp_path: Path) -> None:
    path, _ = an_export(tmp_path)
    ahead = ReadAhead(1e9)
    ahead.read_to_its_end(path, NOTHING_SAID)
    path, archived = an_export(tmp_path, "gn")
    with handing_over(ahead):
        texts = archived_export(path, archived, NOTHING_SAID, LATER).tables.messages["text"].to_pylist()
    assert texts == [mint("owl"), "gn"]


def test_readings_are_kept_while_there_is_room(tmp_path: Path) -> None:
    path, sha256 = an_export(tmp_path)
    ahead = ReadAhead(1.5 * path.stat().st_size)
    ahead.read_to_its_end(path, NOTHING_SAID)
    other, _ = an_export(tmp_path, "other words")
    ahead.read_to_its_end(other, NOTHING_SAID)
    assert list(ahead.readings) == [sha256]


@pytest.mark.parametrize("room", [0, 1e9])
def test_what_cannot_be_read_is_refused_in_the_readers_words(tmp_path: Path, room: float) -> None:
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"messages": [{')
    with pytest.raises(TelegramExportError, match="truncated"):
        ReadAhead(room).read_to_its_end(damaged, NOTHING_SAID)
    with pytest.raises(NotFoundError, match=r"name the result\.json"):
        ReadAhead(room).read_to_its_end(tmp_path / "none.json", NOTHING_SAID)
