"""HTML exports: the same messages as in JSON, what HTML cannot say left open, and damage refused."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.alert_events import events_of_day
from quantlab_core.alerts.alert_source import ReadingReport, ReadOptions
from quantlab_core.alerts.artifact_types import TELEGRAM_MESSAGES
from quantlab_core.alerts.daily_alerts import alerts_of_day
from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.alerts.telegram_message import TelegramMessage, UnreadableMessage, normalise_message
from quantlab_core.errors import InvalidInputError, NotFoundError, TelegramExportError
from quantlab_resources.alerts.alert_sources import read_messages
from quantlab_resources.alerts.export_folder import as_one_file
from quantlab_resources.alerts.html_message import MAX_DEPTH, MAX_MESSAGE_CHARS
from quantlab_resources.alerts.time_zones import time_zone
from quantlab_tests.core.alerts.invented_chat import CHAT, NOON, exported, mint, phanes_card, tables_of
from quantlab_tests.resources.alerts.html_export import BERLIN, HEAD, TAIL, page, service

OPTIONS = ReadOptions("Europe/Berlin", chat_id=CHAT.chat_id)
ENTRIES = [
    exported(10, ["buy ", {"type": "bold", "text": mint("owl")}, "\nline two <3 & more  "], sender="ann & co"),
    exported(
        11, [{"type": "cashtag", "text": "$OWL"}, " by ", {"type": "mention", "text": "@ann"}], at=5, sender="bob"
    ),
    exported(12, "again", at=9, sender="bob", joined=True, reply_to_message_id=10),
    exported(-999_999_990, "from before the supergroup", at=12, sender="cat"),
    exported(
        14,
        [{"type": "text_link", "text": "chart", "href": "https://dexscreener.com/solana/x?a=1&b=2"}, "\n.\n"],
        at=15,
        sender="dan",
        forwarded_from="News & calls",
        via_bot="@pic_bot",
        inline_bot_buttons=[[{"type": "url", "text": "Buy", "data": "https://t.me/x_bot?start=1"}]],
    ),
    exported(15, [{"type": "link", "text": "https://example.com/a?b=1&c=2"}], at=20, sender="Phanes"),
    exported(16, [{"type": "spoiler", "text": "hidden\nwords"}, "\ttab"], at=25, sender="ann & co"),
]


def read(path: Path, options: ReadOptions = OPTIONS, report: ReadingReport | None = None) -> list[Any]:
    return [
        normalise_message(raw.payload, chat=raw.chat, ordinal=raw.ordinal, time_zone=time_zone(options.time_zone))
        for raw in read_messages(path, options, report)
    ]


def tables(path: Path) -> ExportTables:
    return export_tables(read_messages(path, OPTIONS), time_zone=BERLIN)


def written(folder: Path, *entries: dict[str, Any], name: str = "messages.html", **more: Any) -> Path:
    target = folder / name
    target.write_text(page(entries, **more), "utf-8")
    return target


def as_json(*entries: dict[str, Any]) -> list[TelegramMessage]:
    found = [normalise_message(entry, chat=CHAT, ordinal=number) for number, entry in enumerate(entries)]
    return [message for message in found if isinstance(message, TelegramMessage)]


def what_html_says(message: TelegramMessage) -> dict[str, object]:
    """The message without what HTML cannot say."""
    untold = {"sender_id", "edited_ts", "content_id"}
    return {name: getattr(message, name) for name in TELEGRAM_MESSAGES.schema.names if name not in untold}


def test_html_and_json_of_one_chat_give_the_same_messages(tmp_path: Path) -> None:
    found = read(written(tmp_path, *ENTRIES))
    assert [what_html_says(message) for message in found] == [what_html_says(message) for message in as_json(*ENTRIES)]
    assert found[4].links == ("https://dexscreener.com/solana/x?a=1&b=2", "https://t.me/x_bot?start=1")


def test_known_messages_get_no_second_version_from_html(tmp_path: Path) -> None:
    card = exported(20, phanes_card(mint("owl")), at=3, sender="Phanes", reply_to_message_id=10, edited_after=7200)
    known = tables_of(*ENTRIES, card).messages
    html = tables(written(tmp_path, *ENTRIES, card)).messages
    both = pa.concat_tables([html, known])
    assert both.num_rows == 2 * known.num_rows
    assert events_of_day(both, NOON.date()).equals(events_of_day(known, NOON.date()))


def test_another_text_in_html_is_another_version_of_which_nobody_knows_when_it_was_written(tmp_path: Path) -> None:
    html = tables(written(tmp_path, exported(10, mint("fox")))).messages
    known = tables_of(exported(10, mint("owl"))).messages
    events = events_of_day(pa.concat_tables([html, known]), NOON.date())
    assert {row["mint"]: row["token_proven_at_call"] for row in events.to_pylist()} == {
        mint("owl"): True,
        mint("fox"): False,
    }
    assert [row["mint"] for row in alerts_of_day(events).to_pylist()] == sorted([mint("owl"), mint("fox")])


def test_numbers_that_an_edit_may_have_refreshed_are_withheld_without_knowing_of_edits(tmp_path: Path) -> None:
    entries = [
        exported(10, f"{mint('owl')} at 17k"),
        exported(11, phanes_card(mint("owl"), footer=""), at=2, sender="Phanes", reply_to_message_id=10),
    ]
    (told,) = events_of_day(tables_of(*entries).messages, NOON.date()).to_pylist()
    (untold,) = events_of_day(tables(written(tmp_path, *entries)).messages, NOON.date()).to_pylist()
    assert (told["mcap_at_call_usd"], told["withheld_reason"]) == (66_000.0, None)
    assert (untold["mcap_at_call_usd"], untold["price_at_call_usd"]) == (None, None)
    assert untold["withheld_reason"] == "the export does not say whether the card was refreshed"
    assert untold["token_proven_at_call"], "the card within a minute proves the token"
    assert untold["caller_id"] is None


def test_service_messages_and_what_telegram_could_not_show_are_counted_and_headings_are_not(tmp_path: Path) -> None:
    text = page([exported(10, "hello"), {"id": 11, "type": "service"}])
    odd = service(12, "This message is not supported by this version of Telegram Desktop. Please update.")
    migrated = service(-999_999_000, "1 May 2025")
    (tmp_path / "messages.html").write_text(text.replace(TAIL, odd + migrated + TAIL), "utf-8")
    rows = tables(tmp_path).dispositions.to_pylist()
    assert [(row["message_id"], row["disposition"], row["kind"]) for row in rows] == [
        (10, "non_alert", "no_alert"),
        (11, "non_alert", "service"),
        (12, "non_alert", "unsupported"),
        (-999_999_000, "non_alert", "service"),
    ]


def test_all_pages_are_read_in_the_order_of_their_numbers_whatever_was_named(tmp_path: Path) -> None:
    for number, name in ((3, "messages10.html"), (2, "messages2.html"), (1, "messages.html")):
        written(tmp_path, exported(number, f"page {name}", at=number), name=name)
    (tmp_path / "style.css").write_text("")
    for named in (tmp_path, tmp_path / "messages2.html"):
        assert [(m.message_id, m.ordinal) for m in read(named)] == [(1, 0), (2, 1), (3, 2)]
    with as_one_file(tmp_path) as one, as_one_file(one) as same:
        first = one.read_bytes()
        assert same == one
        assert [m.message_id for m in read(one)] == [1, 2, 3]
    assert not one.exists()
    with as_one_file(tmp_path / "messages.html") as again:
        assert again.read_bytes() == first


def test_a_message_at_the_top_of_a_page_continues_the_page_before(tmp_path: Path) -> None:
    written(tmp_path, exported(1, "one", sender="ann"))
    written(tmp_path, exported(2, "two", joined=True), name="messages2.html")
    assert [m.sender_name for m in read(tmp_path)] == ["ann", "ann"]


def test_a_page_that_is_not_there_is_missed(tmp_path: Path) -> None:
    path = written(tmp_path, exported(1, "one"), other_pages=["messages2.html"])
    with pytest.raises(TelegramExportError, match=r"messages\.html leads to messages2\.html, which is not there"):
        read(path)
    report = ReadingReport()
    assert len(read(path, replace(OPTIONS, salvage=True), report)) == 1
    assert report.loss is not None
    assert "messages2.html" in report.loss.reason


def test_zone_and_chat_must_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, exported(1, "see https://t.me/c/1700000001/10"))
    with pytest.raises(TelegramExportError, match="--timezone"):
        read(path, replace(OPTIONS, time_zone=None))
    with pytest.raises(TelegramExportError, match=r"--chat-id \(its links speak of 1700000001\)"):
        read(path, replace(OPTIONS, chat_id=None))
    with pytest.raises(InvalidInputError, match="IANA"):
        read(path, replace(OPTIONS, time_zone="Berlin"))


def test_summer_times_are_right_although_the_tooltips_are_not(tmp_path: Path) -> None:
    """At noon UTC in May clocks in Berlin show 14:00, and Telegram writes UTC+01:00 beside it."""
    path = written(tmp_path, exported(1, "hello"))
    assert 'title="01.05.2025 14:00:00 UTC+01:00"' in path.read_text()
    assert read(path)[0].sent_ts == NOON


@pytest.mark.parametrize(("zone", "fits"), [("Europe/Rome", True), ("Africa/Lagos", True), ("Europe/London", False)])
def test_a_zone_with_another_standard_offset_is_refused(tmp_path: Path, zone: str, fits: bool) -> None:
    path = written(tmp_path, exported(1, "hello"))
    if fits:
        assert len(read(path, replace(OPTIONS, time_zone=zone))) == 1
    else:
        with pytest.raises(TelegramExportError, match="not the standard offset of Europe/London"):
            read(path, replace(OPTIONS, time_zone=zone))


def stamped(number: int, seconds_off: int) -> dict[str, Any]:
    stamp = int(NOON.timestamp()) + number + seconds_off
    return exported(
        number, "card", at=number, inline_bot_buttons=[[{"type": "callback", "text": "R", "data": f"r:{stamp}"}]]
    )


def test_unix_times_in_buttons_tell_a_wrong_zone_that_has_the_right_offset(tmp_path: Path) -> None:
    path = written(tmp_path, *(stamped(number, 1) for number in range(1, 4)), offset="")
    assert len(read(path)) == 3
    with pytest.raises(TelegramExportError, match=r"buttons of 3 messages are -1 h off from its times in Africa/Lagos"):
        read(path, replace(OPTIONS, time_zone="Africa/Lagos"))


def test_other_numbers_in_buttons_say_nothing(tmp_path: Path) -> None:
    numbers = [stamped(1, -5_000), stamped(2, 9_999), stamped(3, 86_400 * 30), stamped(4, -1_800)]
    assert len(read(written(tmp_path, *numbers))) == 4


def test_times_that_a_clock_showed_twice_or_never_go_to_quarantine(tmp_path: Path) -> None:
    text = page([exported(1, mint("owl")), exported(2, mint("fox")), exported(3, "x"), exported(4, "y")])
    for written_time in ("26.10.2025 02:30:00 UTC+01:00", "30.03.2025 02:30:00 UTC+01:00", "99.05.2025 14:00:00"):
        text = text.replace('title="01.05.2025 14:00:00 UTC+01:00"', f'title="{written_time}"', 1)
    (tmp_path / "messages.html").write_text(text, "utf-8")
    assert tables(tmp_path).quarantine["rule_id"].to_pylist() == [
        "ambiguous_local_time",
        "nonexistent_local_time",
        "bad_date",
    ]


def test_a_page_that_ends_in_the_middle_is_refused_with_the_byte_and_salvaged_when_asked(tmp_path: Path) -> None:
    path = written(tmp_path, *ENTRIES)
    whole = path.read_bytes()
    starts = [whole.find(b'<div class="message', whole.find(f'id="message{e["id"]}"'.encode()) - 60) for e in ENTRIES]
    for cut in (*range(starts[0], len(whole) - 30, 211), starts[3] + 5):
        path.write_bytes(whole[:cut])
        with pytest.raises(TelegramExportError, match=f"at byte {cut:,}: truncated"):
            read(path)
        report = ReadingReport()
        found = read(path, replace(OPTIONS, salvage=True), report)
        complete = [entry["id"] for entry, end in zip(ENTRIES, [*starts[1:], len(whole)], strict=True) if end <= cut]
        assert [m.message_id for m in found][: len(complete)] == complete
        assert [what_html_says(m) for m in found] == [what_html_says(m) for m in as_json(*ENTRIES)][: len(found)]
        assert report.loss is not None
        assert report.loss.from_byte + report.loss.bytes == cut


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html><body><p>hello</p></body></html>", "no page of a chat's export"),
        (b"<html><body>", "truncated|no page"),
        (b"<" * 300_000, "truncated|no page"),
        (HEAD.encode() + b'<div class="message default" id="message1">' + b"<b>" * (MAX_DEPTH + 1), "nested deeper"),
        (
            HEAD.encode() + b'<div class="message default" id="message1"><div class="body"><div class="text">'
            + b"x" * (MAX_MESSAGE_CHARS + 1) + TAIL.encode(),
            "message 1 is larger",
        ),
        (b"PK\x03\x04 not an archive", "damaged ZIP"),
    ],
)  # fmt: skip
def test_what_is_no_page_or_too_large_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "messages.html").write_bytes(content)
    with pytest.raises(TelegramExportError, match=words):
        read(tmp_path / "messages.html")


def test_folders_and_archives_without_an_export_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TelegramExportError, match=r"folder without result\.json"):
        read(tmp_path)
    with pytest.raises(NotFoundError):
        read(tmp_path / "messages.html")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(TelegramExportError, match="without the pages"):
        read(tmp_path / "a.zip")
    written(tmp_path, exported(1, "a"))
    written(tmp_path, exported(1, "a"), name="other_messages.html")
    with pytest.raises(TelegramExportError, match="several chats"):
        read(tmp_path)


@pytest.mark.parametrize("damage", [b"<!--", b'<a href="'])
def test_messages_that_damaged_tags_hide_are_missed(tmp_path: Path, damage: bytes) -> None:
    path = written(tmp_path, *ENTRIES)
    path.write_bytes(path.read_bytes().replace(b"again", damage))
    with pytest.raises(TelegramExportError, match=r"tags are damaged, \d+ of its messages"):
        read(path)
    report = ReadingReport()
    assert len(read(path, replace(OPTIONS, salvage=True), report)) < len(ENTRIES)
    assert report.loss is not None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_message_of_a_damaged_page_is_accounted_for_or_the_page_is_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(page(ENTRIES).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(len(HEAD), len(content) - len(TAIL)))
        piece = data.draw(
            st.sampled_from([b"", b"<", b">", b'"', b"</div>", b"\x00", b"\xff", b"<div>", b"&", b"<!--"])
        )
        content[at : at + data.draw(st.integers(0, 3))] = piece
    path = tmp_path_factory.mktemp("pages") / "messages.html"
    path.write_bytes(bytes(content))
    try:
        read_in = list(read_messages(path, OPTIONS))
    except TelegramExportError:
        return
    assert len(read_in) >= bytes(content).count(b'id="message') - 1, "but for the heading of the day, none is lost"
    result = export_tables(iter(read_in), time_zone=BERLIN)
    assert result.dispositions.num_rows == len(read_in)
    assert all(
        isinstance(normalise_message(raw.payload, chat=raw.chat, ordinal=0), TelegramMessage | UnreadableMessage)
        for raw in read_in
    )
