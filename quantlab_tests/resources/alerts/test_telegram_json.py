"""Reading exports from files: forms of an export, the exporter's mistakes, damage, and memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.alert_source import ReadingReport
from quantlab_core.errors import NotFoundError, TelegramExportError
from quantlab_resources.alerts.export_text import MAX_SILENT_BYTES
from quantlab_resources.alerts.telegram_json import MAX_MESSAGE_CHARACTERS, MAX_MESSAGE_DEPTH, read_telegram_json


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date_unixtime": str(1_746_100_800 + number),
        "text": f"nº {number} 🚀",
        **more,
    }


def chat(*entries: object, chat_id: int = 77, **more: Any) -> dict[str, Any]:
    return {"name": "Evening calls", "type": "private_supergroup", "id": chat_id, **more, "messages": list(entries)}


Write = Callable[[Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_export(content: Any) -> Path:
        path = tmp_path / "result.json"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(
                content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1), "utf-8"
            )
        return path

    return write_export


def read(path: Path) -> list[Any]:
    return [message.payload for message in read_telegram_json(path)]


def refusal(path: Path) -> str:
    with pytest.raises(TelegramExportError) as refused:
        read(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_a_single_chats_entries_come_in_order_with_chat_and_position(write: Write) -> None:
    messages = list(read_telegram_json(write(chat(entry(5), entry(3)))))
    assert [(message.payload, message.ordinal) for message in messages] == [(entry(5), 0), (entry(3), 1)]
    assert {(message.chat.chat_id, message.chat.name, message.chat.type) for message in messages} == {
        (77, "Evening calls", "private_supergroup")
    }


def test_an_accounts_export_gives_every_chat_of_both_lists(write: Write) -> None:
    account = {
        "about": "…",
        "contacts": {"list": [{"name": "not a chat", "id": 1}]},
        "chats": {"list": [chat(entry(1), chat_id=1), {"type": "saved_messages", "id": 2, "messages": [entry(2)]}]},
        "left_chats": {"list": [chat(entry(3), entry(4), chat_id=3)]},
    }
    messages = list(read_telegram_json(write(account)))
    assert [(message.chat.chat_id, message.payload["id"], message.ordinal) for message in messages] == [
        (1, 1, 0), (2, 2, 1), (3, 3, 2), (3, 4, 3),
    ]  # fmt: skip
    assert messages[1].chat.name is None


def test_a_re_saved_file_with_sorted_keys_keeps_its_chat(write: Write) -> None:
    text = json.dumps({"messages": [entry(1)], **{key: chat()[key] for key in ("name", "id", "type")}})
    message = next(read_telegram_json(write(text)))
    assert (message.chat.chat_id, message.chat.name) == (77, "Evening calls")


def test_entries_that_are_no_objects_are_handed_on(write: Write) -> None:
    assert read(write(chat(None, 3, "x", [1, {"a": []}], {}))) == [None, 3, "x", [1, {"a": []}], {}]


def test_an_export_without_messages_is_an_empty_export(write: Write) -> None:
    assert read(write(chat())) == []
    assert read(write({"chats": {"list": []}})) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_byte_order_marks_and_utf_16_are_read(write: Write, encoding: str) -> None:
    text = json.dumps(chat(entry(1), entry(2)), ensure_ascii=False)
    assert read(write(text.encode(encoding))) == [entry(1), entry(2)]


def test_known_mistakes_of_the_exporter_are_repaired_and_counted(write: Write) -> None:
    text = json.dumps(
        chat(entry(1, data="A", sticker={"document_id": "B"}), entry(2, more="C")), ensure_ascii=False, indent=1
    )
    broken = (
        text.replace('"A"', r'"1\x012\x0B and \\x41"')
        .replace('"B"', "stickers/one (2), new.webp")
        .replace('"C"', '"D", "text": ""')
    )
    report = ReadingReport()
    read_back = [message.payload for message in read_telegram_json(write(broken), report=report)]
    assert read_back[0]["data"] == "1\x012\x0b and \\x41"
    assert read_back[0]["sticker"] == {"document_id": "stickers/one (2), new.webp"}
    assert read_back[1]["text"] == entry(2)["text"]
    assert report.repairs == {"bad_escapes": 2, "unquoted_document_ids": 1, "duplicate_keys": 1}


def test_bytes_that_are_no_text_are_replaced_and_counted(write: Write) -> None:
    content = json.dumps(chat(entry(1, text="AB \ufffd")), ensure_ascii=False).encode().replace(b"AB", b"A\xff")
    report = ReadingReport()
    assert next(read_telegram_json(write(content), report=report)).payload["text"] == "A\ufffd \ufffd"
    assert report.repairs == {"bad_bytes": 1}


def test_a_valid_document_id_is_left_alone(write: Write) -> None:
    values = ["a.webp", 12345, None, True, 'quoted "document_id": x\n']
    assert read(write(chat(*({"document_id": value} for value in values)))) == [
        {"document_id": value} for value in values
    ]


@settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5), st.text(max_size=8) | st.integers() | st.booleans() | st.none(), max_size=3
        ),
        max_size=4,
    )
)
def test_what_json_holds_is_what_is_read(write: Write, entries: list[dict[str, Any]]) -> None:
    assert read(write(json.dumps(chat(*entries), ensure_ascii=False).encode())) == entries


def test_a_truncated_file_is_refused_with_its_length(write: Write) -> None:
    whole = write(chat(entry(1), entry(2))).read_bytes()
    for length in range(1, len(whole.rstrip()), 7):
        message = refusal(write(whole[:length]))
        assert f"at byte {length:,}" in message
        assert "truncated" in message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_damage_is_refused_with_the_byte_where_it_is(write: Write, encoding: str) -> None:
    text = json.dumps(chat(*(entry(number) for number in range(2_000))), ensure_ascii=False, indent=1)
    position = text.index('"date_unixtime": "1746102300"')
    damaged = text[:position] + "}" + text[position:]
    expected = len(damaged[:position].encode(encoding))
    message = refusal(write(damaged.encode(encoding)))
    assert f"is damaged at byte {expected:,}" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"hello": [1, 2, 3]}', "not a Telegram export"),
        (b"[]", "not a Telegram export"),
        (b'{"messages": 3, "id": 1}', "not a Telegram export"),
        (b"<!DOCTYPE html><html></html>", "is HTML"),
        (b"PK\x03\x04 zip", "is not JSON"),
        (b'{"name": "x", "type": "y", "messages": [{}]}', "has no id"),
        (b'{"name": "x", "type": "y", "id": "seven", "messages": [{}]}', "has no id"),
    ],
)
def test_what_is_no_export_is_refused_by_name(write: Write, content: bytes, words: str) -> None:
    assert words in refusal(write(content))


def test_a_missing_file_is_not_found_and_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not found"):
        read(tmp_path / "none.json")
    assert "is a folder" in refusal(tmp_path)


def test_too_deep_or_too_large_messages_are_refused(write: Write) -> None:
    deep = "[" * (MAX_MESSAGE_DEPTH + 1) + "]" * (MAX_MESSAGE_DEPTH + 1)
    assert "nested deeper" in refusal(write(f'{{"name": "x", "type": "y", "id": 1, "messages": [{deep}]}}'))
    assert "larger than" in refusal(write(chat(entry(1, text="x" * MAX_MESSAGE_CHARACTERS))))


def test_one_endless_string_is_refused_before_it_fills_memory(write: Write) -> None:
    path = write(chat(entry(1, text="x " * (3 * MAX_SILENT_BYTES // 2)), entry(2)))
    tracemalloc.start()
    assert "single value" in refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_SILENT_BYTES


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak_of(count: int) -> int:
        path = tmp_path / f"{count}.json"
        filler = "calls and answers " * 40
        with path.open("w", encoding="utf-8") as stream:
            stream.write('{"name": "x", "type": "y", "id": 1, "messages": [\n')
            for number in range(count):
                stream.write(json.dumps(entry(number, text=filler)) + (",\n" if number < count - 1 else "\n]}"))
        tracemalloc.start()
        assert sum(1 for _ in read_telegram_json(path)) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    small, large = peak_of(500), peak_of(6_000)  # 0.4 MB and 5 MB
    assert large < small + 300_000
