"""Exports damaged in any way: the reader finds what a decoder of the whole text finds, or refuses; nothing is lost."""

from __future__ import annotations

import json
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import ijson  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.alert_source import ReadingReport, ReadOptions
from quantlab_core.alerts.export_tables import export_tables
from quantlab_core.errors import TelegramExportError
from quantlab_resources.alerts import export_text
from quantlab_resources.alerts.export_text import ExportText
from quantlab_resources.alerts.telegram_json import read_telegram_json
from quantlab_tests.core.alerts.invented_chat import exported, mint, rick_card

OWL = mint("owl")
ENTRIES: list[Any] = [
    {"id": 1, "type": "service", "date_unixtime": "1746100000", "action": "pin_message", "text": ""},
    exported(2, f"{OWL} früh 🚀", width=1.5, big=12345678901234567890),
    exported(3, rick_card(OWL), at=1, sender="Rick", reply_to_message_id=2),
    exported(4, ["a \\x \"b\" \n", {"type": "custom_emoji", "text": "☪", "document_id": "1, 2.webp"}], at=5),
    [None, True, -0.5, {"id": []}],
    exported(5, "[[{{\"messages\": [", at=9),
]  # fmt: skip
EXPORT = {"about": {"a": [1, [2]]}, "name": "calls", "type": "private_group", "id": 5, "messages": ENTRIES, "more": {}}
WHOLE = json.dumps(EXPORT, ensure_ascii=False, indent=1).encode()
COMPACT = json.dumps(EXPORT, separators=(",", ":")).encode()

on_files = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)


@pytest.fixture(params=[48, 131_072])
def piece_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces so small that everything is cut somewhere, and pieces as they are."""
    monkeypatch.setattr(export_text, "PIECE_BYTES", request.param)


def decoded_whole(path: Path) -> list[Any] | None:
    """The entries by decoding the clean text at once; None if it is no JSON, or no chat with an id."""

    def refuse(_constant: str) -> NoReturn:
        raise ValueError

    def merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key not in found or value not in ("", None):
                found[key] = value
        return found

    with path.open("rb") as stream:
        source, pieces = ExportText(stream, "x", Counter()), []
        while piece := source.piece():
            pieces.append(piece.text)
    try:
        root = json.loads("".join(pieces), object_pairs_hook=merged, parse_float=Decimal, parse_constant=refuse)
    except ValueError:
        return None
    if not isinstance(root, dict) or not isinstance(root.get("messages"), list) or not isinstance(root.get("id"), int):
        return None
    return list(root["messages"])


def entries_read(path: Path) -> list[Any] | None:
    try:
        return [message.payload for message in read_telegram_json(path)]
    except TelegramExportError:
        return None


DAMAGE = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "double", "insert"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 7) | st.sampled_from([16, 40]),
        st.sampled_from([b'"', b"}", b"]", b",", b"{", b"[", b"\\", b"\\x0", b"\xff", b"\xed\xa0\x80", b"\\ud800",
                         b"\\udc00\\ud83d\\ude80", b"1" * 50, b"-", b"1e5", b"NaN", b" \n", b"\x00", b'"text": "",']),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def damaged(content: bytes, damage: list[tuple[str, float, int, bytes]]) -> bytes:
    for how, where, size, inserted in damage:
        place = int(where * len(content))
        if how == "flip" and content:
            content = content[:place] + bytes([content[place] ^ 1 << size % 8]) + content[place + 1 :]
        elif how == "cut":
            content = content[:place]
        elif how == "drop":
            content = content[:place] + content[place + size :]
        elif how == "double":
            content = content[: place + size] + content[place:]
        elif how == "insert":
            content = content[:place] + inserted + content[place:]
    return content


@pytest.mark.usefixtures("piece_bytes")
@pytest.mark.parametrize("whole", [WHOLE, COMPACT], ids=["indented", "compact"])
@on_files
@given(DAMAGE)
def test_the_reader_finds_what_a_decoder_of_the_whole_text_finds_or_refuses(
    tmp_path: Path, whole: bytes, damage: list[tuple[str, float, int, bytes]]
) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(damaged(whole, damage))
    assume(path.read_bytes().count(b'"messages"') <= 1)  # of two lists, json keeps one, the reader both
    assert entries_read(path) == decoded_whole(path)


@pytest.mark.usefixtures("piece_bytes")
@on_files
@given(DAMAGE)
def test_every_entry_of_a_damaged_export_is_accounted_for(
    tmp_path: Path, damage: list[tuple[str, float, int, bytes]]
) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(damaged(WHOLE, damage))
    for salvage in (False, True):
        report = ReadingReport()
        options = ReadOptions(salvage=salvage, time_zone="UTC")
        try:
            tables = export_tables(read_telegram_json(path, options, report))
        except TelegramExportError:
            continue
        assert tables.dispositions["ordinal"].to_pylist() == list(range(report.messages))
        assert report.loss is None or salvage


@pytest.mark.usefixtures("piece_bytes")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("whole", [WHOLE, COMPACT], ids=["indented", "compact"])
def test_a_truncated_export_gives_its_whole_entries_when_asked(tmp_path: Path, whole: bytes, encoding: str) -> None:
    text = whole.decode()
    first = len(text[: text.index("[", text.index('"messages"')) + 1].encode(encoding))
    content = text.encode(encoding)
    path = tmp_path / "result.json"
    kept: list[Any] = []
    for length in range(first, len(content), 3 if encoding == "utf-8" else 7):
        path.write_bytes(content[:length])
        with pytest.raises(TelegramExportError, match=f"at byte {length:,}: truncated"):
            list(read_telegram_json(path))
        report = ReadingReport()
        salvaged = [message.payload for message in read_telegram_json(path, ReadOptions(salvage=True), report)]
        assert salvaged[: len(kept)] == kept
        assert report.loss is not None
        assert report.loss.from_byte + report.loss.bytes == length
        assert (report.messages, "truncated" in report.loss.reason) == (len(salvaged), True)
        kept = salvaged
    assert kept == json.loads(text, parse_float=Decimal)["messages"]


def test_nothing_is_salvaged_of_a_file_without_a_chat(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for content in (b"", b'{"name": "calls", "id": 5', b'{"name": }', b"<html>"):
        path.write_bytes(content)
        with pytest.raises(TelegramExportError):
            list(read_telegram_json(path, ReadOptions(salvage=True)))


def test_damage_in_the_middle_keeps_what_stands_before_it(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    place = WHOLE.index(b'"id": 3,') + len(b'"id": 3,')
    path.write_bytes(WHOLE[:place] + b"}" + WHOLE[place:])
    report = ReadingReport()
    assert len(list(read_telegram_json(path, ReadOptions(salvage=True), report))) == 2
    assert report.loss is not None
    assert report.loss.from_byte == WHOLE.rindex(b"{", 0, place)
    assert f"damaged at byte {place:,}" in report.loss.reason
    assert report.params()["lost_bytes"] == len(WHOLE) + 1 - report.loss.from_byte


@pytest.mark.usefixtures("piece_bytes")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le"])
def test_the_byte_of_damage_is_right_behind_repairs(tmp_path: Path, encoding: str) -> None:
    first = r'{"id": 1, "text": "\x02", "document_id": a b.webp' + "\n}"
    mended = rf'{{"name": "x\x01\ud800y", "type": "z", "id": 5, "messages": [{first}, {{"id": 2 ] ]}}'
    content = mended.encode(encoding)
    place = len(mended[: mended.index("] ]")].encode(encoding))
    if encoding.startswith("utf-8"):
        content, place = content.replace(b'"y', b'"\xff\xe2\x82y'), place
        content, place = content.replace(b'"z"', b'"\xff\xe2z"'), place + 2
    path = tmp_path / "result.json"
    path.write_bytes(content)
    report = ReadingReport()
    with pytest.raises(TelegramExportError, match=f"damaged at byte {place:,} of"):
        list(read_telegram_json(path, report=report))
    assert report.repairs["bad_escapes"] == 3
    assert report.repairs["unquoted_document_ids"] == 1
    assert report.repairs["bad_bytes"] == (2 if encoding.startswith("utf-8") else 0)


def test_numbers_that_no_type_holds_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    entry = f'{{"a": {"7" * 5_000}, "b": 1e{"9" * 30}, "c": 0.1, "d": -0}}'
    path.write_text(f'{{"name": "x", "type": "y", "id": 1, "messages": [{entry}]}}')
    assert entries_read(path) == [{"a": "7" * 5_000, "b": "1e" + "9" * 30, "c": Decimal("0.1"), "d": 0}]


@pytest.mark.parametrize(
    "odd", [" " * 400_000, "1" * 400_000, "1" + " " * 400_000 + "1", "\\u" * 200_000, "[" * 400_000]
)
def test_no_text_takes_more_than_linear_time_to_mend(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(f'{{"name": "x", "type": "y", "id": 1, "messages": [{{"document_id":{odd}"}}, 2]}}')
    started = time.process_time()
    with pytest.raises(TelegramExportError):
        list(read_telegram_json(path))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "01", "1.", "+1", "tru"])
def test_what_json_does_not_know_is_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(f'{{"name": "x", "type": "y", "id": 1, "messages": [{number}, 2]}}')
    with pytest.raises(TelegramExportError, match="is damaged at byte"):
        list(read_telegram_json(path))


TEXT_OF_ANY_KIND = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.mark.usefixtures("piece_bytes")
@on_files
@given(
    st.lists(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(10**30), 10**30)
            | st.floats(allow_nan=False, allow_infinity=False)
            | TEXT_OF_ANY_KIND,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT_OF_ANY_KIND, inner, max_size=3),
            max_leaves=12,
        ),
        max_size=6,
    ),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_a_parser_of_events_finds_the_same(
    tmp_path: Path, entries: list[Any], indent: int | str | None, as_ascii: bool
) -> None:
    assume("\\x" not in json.dumps(entries))
    path = tmp_path / "result.json"
    export = {"messages": entries, "name": "x", "type": "y", "id": 1}
    path.write_text(json.dumps(export, indent=indent, ensure_ascii=as_ascii), encoding="utf-8")
    with path.open("rb") as stream:
        assert entries_read(path) == list(ijson.items(stream, "messages.item"))
