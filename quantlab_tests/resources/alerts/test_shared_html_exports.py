"""Real HTML exports: the same messages as in the JSON of the same channel. Skipped where the samples are absent."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_core.alerts.alert_events import events_of_day
from quantlab_core.alerts.alert_source import ReadingReport, ReadOptions
from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.errors import TelegramExportError
from quantlab_resources.alerts.alert_sources import read_messages
from quantlab_resources.alerts.time_zones import time_zone

TELEGRAM = Path(__file__).parents[4] / "shared" / "data" / "telegram"
CALL_GROUP = (
    TELEGRAM / "call_group_excerpt" / "result.json",
    TELEGRAM / "call_group_excerpt" / "messages.html",
    "Australia/Sydney",
)
CHANNEL = (
    TELEGRAM / "redacted_real_exports" / "channel_2026_result.json",
    TELEGRAM / "redacted_real_exports" / "channel_2026_messages.html",
    "Africa/Lagos",
)
# Redaction replaced every target in the HTML and, in the JSON, the text of plain links: links cannot be compared there.
COMPARED = ["sent_ts", "chat_id", "message_id", "message_type", "sender_name", "forwarded_from", "via_bot"]
COMPARED += ["reply_to_message_id", "text"]

pytestmark = pytest.mark.skipif(not TELEGRAM.is_dir(), reason="the shared samples are not here")


def tables(path: Path, options: ReadOptions | None = None) -> ExportTables:
    options = options or ReadOptions()
    return export_tables(read_messages(path, options), time_zone=time_zone(options.time_zone))


def both(json_file: Path, html_file: Path, zone: str) -> tuple[ExportTables, ExportTables]:
    known = tables(json_file)
    return known, tables(html_file, ReadOptions(zone, chat_id=known.messages["chat_id"][0].as_py()))


@pytest.mark.parametrize("pair", [CALL_GROUP, CHANNEL], ids=["call group", "channel"])
def test_both_exports_of_one_channel_give_the_same_messages(pair: tuple[Path, Path, str]) -> None:
    known, html = both(*pair)
    written = [row for row in known.messages.to_pylist() if row["message_type"] == "message"]
    compared = COMPARED + (["links"] if pair is CALL_GROUP else [])
    assert [{name: row[name] for name in compared} for row in html.messages.to_pylist()] == [
        {name: row[name] for name in compared} for row in written
    ]
    assert html.quarantine.num_rows == known.quarantine.num_rows
    # The excerpt's HTML was cut without its one service message.
    assert known.dispositions.num_rows - html.dispositions.num_rows == (1 if pair is CALL_GROUP else 0)


@pytest.mark.parametrize("pair", [CALL_GROUP, CHANNEL], ids=["call group", "channel"])
def test_the_html_of_known_messages_changes_no_event(pair: tuple[Path, Path, str]) -> None:
    known, html = (found.messages for found in both(*pair))
    together = pa.concat_tables([html, known])
    for day in sorted({sent.date() for sent in together["sent_ts"].to_pylist()}):
        assert events_of_day(together, day).equals(events_of_day(known, day))


def test_html_alone_finds_the_same_calls_and_claims_less_of_them() -> None:
    known, html = (found.messages for found in both(*CALL_GROUP))
    for day in sorted({sent.date() for sent in known["sent_ts"].to_pylist()}):
        told, untold = (events_of_day(messages, day).to_pylist() for messages in (known, html))
        names = ("alert_id", "mint", "chain", "address_kind", "mint_source", "ticker", "bot_message_id")
        assert [[row[name] for name in names] for row in untold] == [[row[name] for name in names] for row in told]
        for less, more in zip(untold, told, strict=True):
            assert less["mcap_at_call_usd"] in {None, more["mcap_at_call_usd"]}
            assert less["price_at_call_usd"] is None


def test_pages_of_2019_are_read_with_a_zone_and_their_gap_is_missed() -> None:
    folder, options = TELEGRAM / "html_2019_redacted", ReadOptions("Europe/Berlin", chat_id=1)
    with pytest.raises(TelegramExportError, match="--timezone"):
        tables(folder)
    with pytest.raises(TelegramExportError, match="which is not there"):
        tables(folder, options)
    report = ReadingReport()
    found = export_tables(
        read_messages(folder, ReadOptions("Europe/Berlin", True, 1), report), time_zone=time_zone("Europe/Berlin")
    )
    assert found.dispositions.num_rows == report.messages == 3_000
    assert report.loss is not None
    assert found.quarantine.num_rows == 0


def test_small_pages_of_other_writers_are_read() -> None:
    folder = TELEGRAM / "third_party_fixtures"
    basic = tables(folder / "vorot93_basic_export_chat_001_messages.html", ReadOptions("UTC", chat_id=1))
    rows = basic.messages.to_pylist()
    assert [row["message_id"] for row in rows] == [101, 102, 103, 105, 201]
    assert rows[2]["forwarded_from"] == "Carol"
    assert rows[2]["via_bot"] == "@helper_bot"
    assert rows[1]["sender_name"] == "Alice"
    media = tables(folder / "vorot93_tdesktop_media_chat_001_messages.html", ReadOptions("UTC", chat_id=1))
    assert media.quarantine["rule_id"].to_pylist() == ["no_message_id"]
    assert media.dispositions.num_rows == 6
