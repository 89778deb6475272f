"""The normal form of exported messages, old, odd and damaged ones included."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.artifact_types import TELEGRAM_MESSAGES
from quantlab_core.alerts.telegram_message import TelegramMessage, UnreadableMessage, normalise_message
from quantlab_tests.core.alerts.invented_chat import CHAT, exported, message


def test_the_fields_are_the_columns_of_the_artifact() -> None:
    assert list(TelegramMessage._fields) == TELEGRAM_MESSAGES.schema.names


def test_time_comes_from_unix_seconds_and_never_from_the_local_date() -> None:
    assert message("x").sent_ts == datetime(2025, 5, 1, 12, 0, tzinfo=UTC)  # its "date" says 14:00


def test_text_parts_are_joined_with_their_line_breaks_and_hidden_targets_are_links() -> None:
    parts = ["buy\n", {"type": "bold", "text": "now"}, {"type": "text_link", "text": " here", "href": "https://a.example/1"},
             {"type": "link", "text": "\nhttps://b.example/2"}]  # fmt: skip
    button = [
        [{"type": "url", "text": "go", "data": "https://c.example/3"}, {"type": "callback", "text": "no", "data": "1"}]
    ]
    read = message(parts, inline_bot_buttons=button)
    assert read.text == "buy\nnow here\nhttps://b.example/2"
    assert read.links == ("https://a.example/1", "https://c.example/3")


def test_an_equal_re_export_has_the_same_content_id_and_an_edit_another() -> None:
    first = message("buy", sender="ann")
    renamed = normalise_message({**exported(1, "buy"), "from": "Ann B."}, chat=CHAT, ordinal=9)
    assert isinstance(renamed, TelegramMessage)
    assert renamed.content_id == first.content_id
    edits = [
        message("buy!"),
        message("buy", edited_after=60),
        message("buy", reply_to_message_id=3),
        message("buy", at=1),
    ]
    assert len({first.content_id, *(edit.content_id for edit in edits)}) == 5


def test_the_content_id_never_changes_between_releases() -> None:
    assert message("buy").content_id == "36bb8a58d3e2c479"


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    st.text(max_size=12),
    st.lists(st.text(min_size=1, max_size=5), max_size=3),
    st.none() | st.text(min_size=1, max_size=5),
    st.none() | st.integers(-9, 9),
)
def test_the_content_id_is_the_hash_of_one_compact_json_array(
    text: str, targets: list[str], forwarded: str | None, reply: int | None
) -> None:
    shown = [text, *({"type": "text_link", "text": "", "href": target} for target in targets)]
    read = message(shown, forwarded_from=forwarded, reply_to_message_id=reply, edited_after=60)
    content = ["2025-05-01T12:00:00+00:00", "message", "2025-05-01T12:01:00+00:00", "user3", forwarded, None, reply,
               text, targets]  # fmt: skip
    canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    assert read.content_id == hashlib.sha256(canonical.encode()).hexdigest()[:16]


def test_old_integer_senders_read_like_new_ones_and_null_senders_are_null() -> None:
    assert message("x", from_id=4002).sender_id == "user4002"
    read = message("x", **{"from": None, "from_id": None})
    assert (read.sender_name, read.sender_id) == (None, None)


def test_a_migrated_groups_negative_message_id_is_kept() -> None:
    read = normalise_message(exported(-999_999_900, "x"), chat=CHAT, ordinal=0)
    assert read.message_id == -999_999_900


@pytest.mark.parametrize(
    ("entry", "rule_id"),
    [
        ("text", "not_an_object"),
        (None, "not_an_object"),
        ({"type": "message", "date_unixtime": "1746100800"}, "no_message_id"),
        ({"id": True, "type": "message", "date_unixtime": "1746100800"}, "no_message_id"),
        ({"id": 1, "type": "message", "date": "2019-01-01T00:00:00"}, "undated"),
        ({"id": 1, "type": "message", "date_unixtime": "soon"}, "bad_date"),
        ({"id": 1, "type": "message", "date_unixtime": 10**30}, "bad_date"),
    ],
)
def test_an_entry_without_id_or_time_is_unreadable_with_its_rule(entry: object, rule_id: str) -> None:
    read = normalise_message(entry, chat=CHAT, ordinal=4)
    assert isinstance(read, UnreadableMessage)
    assert (read.rule_id, read.ordinal, read.chat_id) == (rule_id, 4, CHAT.chat_id)


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert message("ok \ud83d").text == "ok ?"
