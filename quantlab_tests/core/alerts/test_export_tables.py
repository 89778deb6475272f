"""Nothing of an export is lost: one disposition per entry, and a quarantine row for every rejected one."""

from __future__ import annotations

import copy
import json
from collections import Counter
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.alert_events import events_of_day
from quantlab_core.alerts.artifact_types import ALERTS_QUARANTINE, MESSAGE_DISPOSITIONS, TELEGRAM_MESSAGES
from quantlab_core.alerts.classification import RULE_VERSIONS
from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.alerts.telegram_message import Chat, RawMessage
from quantlab_tests.core.alerts.invented_chat import (
    CHAT,
    exported,
    links,
    mint,
    phanes_card,
    rick_card,
    rows,
    tables_of,
)

OWL, FOX = mint("owl"), mint("fox")

SMALL_EXPORT: list[dict[str, Any]] = [
    {"id": 1, "type": "service", "date_unixtime": "1746100000", "action": "pin_message", "text": ""},
    exported(2, f"{OWL} early"),
    exported(3, rick_card(OWL), at=1, sender="Rick", reply_to_message_id=2),
    exported(4, ["chart ", *links(f"https://dexscreener.com/solana/{FOX}")], at=5, sender="bob"),
    exported(5, phanes_card(OWL), at=6, sender="Phanes", reply_to_message_id=4, edited_after=900),
    exported(6, f"{OWL}Gamble", at=7, inline_bot_buttons=[[{"type": "url", "text": "a", "data": "https://a.example"}]]),
    exported(7, "$OWL", at=8, forwarded_from="bob", via_bot="@gif"),
]


def conserved(tables: ExportTables, entries: int) -> None:
    dispositions = rows(tables.dispositions)
    assert [row["ordinal"] for row in dispositions] == list(range(entries))
    counts = Counter(row["disposition"] for row in dispositions)
    assert set(counts) <= {"event", "non_alert", "quarantined", "duplicate"}
    quarantined = [(row["ordinal"], row["rule_id"]) for row in dispositions if row["disposition"] == "quarantined"]
    assert quarantined == [(row["ordinal"], row["rule_id"]) for row in rows(tables.quarantine)]
    assert tables.messages.schema.equals(TELEGRAM_MESSAGES.schema)
    assert tables.dispositions.schema.equals(MESSAGE_DISPOSITIONS.schema)
    assert tables.quarantine.schema.equals(ALERTS_QUARANTINE.schema)
    for spec, table in ((TELEGRAM_MESSAGES, tables.messages), (ALERTS_QUARANTINE, tables.quarantine)):
        keys = [tuple(row[name] for name in spec.unique_key) for row in rows(table)]
        assert len(keys) == len(set(keys))
    assert all(rule in RULE_VERSIONS for rule in tables.quarantine["rule_id"].to_pylist())


def test_every_entry_has_one_disposition() -> None:
    tables = tables_of(*SMALL_EXPORT, SMALL_EXPORT[1], "damaged", {"id": 8, "type": "unsupported"})
    conserved(tables, 10)
    shown = [(row["disposition"], row["kind"], row["tokens"]) for row in rows(tables.dispositions)]
    assert shown == [
        ("non_alert", "service", 0),
        ("event", "call", 1),
        ("non_alert", "bot_reply", 0),
        ("event", "call", 1),
        ("non_alert", "bot_reply", 0),
        ("quarantined", "ambiguous", 0),
        ("non_alert", "ticker_only", 0),
        ("duplicate", "call", 0),
        ("quarantined", "unreadable", 0),
        ("non_alert", "unsupported", 0),
    ]


def test_the_quarantine_keeps_the_payload_as_it_was_exported() -> None:
    quarantined = rows(tables_of(*SMALL_EXPORT).quarantine)
    assert [(row["ordinal"], row["rule_id"], row["rule_version"]) for row in quarantined] == [
        (5, "base58_glued", RULE_VERSIONS["base58_glued"])
    ]
    assert json.loads(quarantined[0]["payload"]) == SMALL_EXPORT[5]


def test_an_edited_version_in_one_export_is_no_duplicate() -> None:
    tables = tables_of(exported(2, OWL), exported(2, f"{OWL}!", edited_after=60))
    assert tables.messages.num_rows == 2
    assert tables.dispositions["disposition"].to_pylist() == ["event", "event"]


VERSIONS = st.tuples(st.integers(1, 2), st.integers(1, 3), st.sampled_from(["gm", OWL, f"{OWL}Gamble"]))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.lists(VERSIONS, max_size=12))
def test_of_equal_versions_the_first_counts_and_the_others_are_duplicates(versions: list[tuple[int, int, str]]) -> None:
    entries = [
        RawMessage(exported(number, text), Chat(chat_id), ordinal)
        for ordinal, (chat_id, number, text) in enumerate(versions)
    ]
    tables = export_tables(entries)
    conserved(tables, len(entries))
    is_first = [version not in versions[:place] for place, version in enumerate(versions)]
    dispositions = rows(tables.dispositions)
    assert [row["disposition"] != "duplicate" for row in dispositions] == is_first
    assert all(
        (row["rule_id"], row["tokens"]) == (None, 0) for row in dispositions if row["disposition"] == "duplicate"
    )
    assert sorted(tables.messages["ordinal"].to_pylist()) == [place for place, first in enumerate(is_first) if first]


def test_messages_outside_the_kept_days_are_quarantined() -> None:
    entries = [RawMessage(exported(1, OWL), CHAT, 0)]
    for limits in ({"first_day": date(2025, 5, 2)}, {"last_day": date(2025, 4, 30)}):
        tables = export_tables(entries, **limits)
        assert tables.quarantine["rule_id"].to_pylist() == ["outside_days"]
        assert tables.messages.num_rows == 0
    inside = export_tables(entries, first_day=date(2025, 5, 1), last_day=date(2025, 5, 1))
    assert inside.messages.num_rows == 1


def test_an_export_without_messages_gives_empty_tables_of_the_right_schema() -> None:
    conserved(tables_of(), 0)


def test_an_error_of_the_reader_leaves_no_tables() -> None:
    def failing() -> Any:
        yield RawMessage(SMALL_EXPORT[1], CHAT, 0)
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        export_tables(failing())


def test_the_tables_do_not_depend_on_the_order_of_the_entries() -> None:
    forward = [RawMessage(entry, CHAT, number) for number, entry in enumerate(SMALL_EXPORT)]
    one, other = export_tables(forward), export_tables(reversed(forward))
    assert one.messages.equals(other.messages)
    assert one.dispositions.equals(other.dispositions)
    assert one.quarantine.equals(other.quarantine)


PLAIN_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
TELLING_VALUES = st.sampled_from([OWL, f"/x {OWL}", "1746100800"])
JSON_VALUES = st.recursive(
    PLAIN_VALUES | TELLING_VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "href", "data"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.data())
def test_no_damage_to_messages_breaks_conservation(data: st.DataObject) -> None:
    entries: list[Any] = copy.deepcopy(SMALL_EXPORT)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(entries) - 1))
        entry = entries[place]
        if isinstance(entry, dict) and entry and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(entry)))
            if data.draw(st.booleans()):
                del entry[key]
            else:
                entry[key] = data.draw(JSON_VALUES)
        elif data.draw(st.booleans()):
            entries[place] = data.draw(JSON_VALUES)
        else:
            entries.append(copy.deepcopy(entry))
    tables = tables_of(*entries)
    conserved(tables, len(entries))
    events_of_day(tables.messages, date(2025, 5, 1))
