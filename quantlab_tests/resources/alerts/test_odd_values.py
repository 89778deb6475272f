"""Exports with values that nobody expects, anywhere: every entry is accounted for, or the file is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.alert_events import events_of_day
from quantlab_core.alerts.alert_source import ReadingReport, ReadOptions
from quantlab_core.alerts.export_tables import export_tables
from quantlab_core.errors import QuantlabError
from quantlab_resources.alerts.alert_sources import read_messages
from quantlab_resources.alerts.time_zones import time_zone
from quantlab_tests.core.alerts.invented_chat import exported, links, mint, rick_card

OWL = mint("owl")
BUTTON = {"type": "url", "text": "Buy", "data": f"https://pump.fun/{OWL}"}
ENTRIES: list[dict[str, Any]] = [
    {
        "id": 1,
        "type": "service",
        "date_unixtime": "1746100000",
        "actor": "ann",
        "actor_id": "user3",
        "action": "pin_message",
    },
    exported(2, [f"{OWL} früh ", *links(f"https://t.me/some_bot?start={OWL}")], edited_after=50),
    exported(3, rick_card(OWL), at=1, sender="Rick", reply_to_message_id=2, via_bot="@x", forwarded_from="Bob"),
    exported(4, "new", at=9, inline_bot_buttons=[[BUTTON]]),
]
EXPORT: dict[str, Any] = {"name": "calls", "type": "private_group", "id": 5, "messages": ENTRIES}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


def require_one_line(error: QuantlabError) -> None:
    assert "\n" not in str(error)


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


PLACES = list(places(EXPORT))
# As JSON text, since a decoded value cannot be half a pair of surrogates, or a number that no type holds.
VALUES = st.sampled_from(
    [
        "null",
        "true",
        "[]",
        "{}",
        "-1",
        "0",
        "1.5",
        "1e400",
        "-0",
        "1e5",
        '""',
        '"²"',
        '"٣٤٥"',
        '"-"',
        '"1746100000.5"',
        '"99999999999"',
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "7" * 5_000,
        "1e" + "9" * 30,
        '"\\ud800"',
        '"\\udc00\\ud83d"',
        '"a\\u0000b"',
        '"\\u202e\\u200b"',
        '"2025-05-01T14:00:00"',
        '"2025-13-41T99:00:00"',
        '{"type": [], "text": {"a": 1}, "href": 5, "data": [], "id": {}}',
        '[{"type": {}, "text": null}, null, 1, [[]]]',
        '[[{"type": ["url"], "data": 1}], 5, [null]]',
        '[[{"type": {}, "data": "x"}]]',
        nested(40),
        nested(70),
        nested(3_000),
        "NaN",
        "-Infinity",
        f'"{OWL}\\ud83d"',
    ]
)


def with_value(path: tuple[str | int, ...], text: str, *, twice: bool) -> str:
    """The export with this JSON text at one place, beside the value that was there where ``twice``."""
    mark = "\ufff0mark"
    changed = json.loads(json.dumps(EXPORT))
    at = changed
    for step in path[:-1]:
        at = at[step]
    key = path[-1]
    if twice and isinstance(at, dict):
        name = json.dumps(key)
        kept, at[key] = json.dumps(at[key]), mark
        return json.dumps(changed).replace(json.dumps(mark), f"{kept}, {name}: {text}")
    at[key] = mark
    return json.dumps(changed).replace(json.dumps(mark), text)


@settings(
    deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(PLACES), VALUES, st.booleans(), st.sampled_from([None, "Europe/Berlin"]), st.booleans())
@example(("messages", 3, "inline_bot_buttons"), '[[{"type": {}, "data": "x"}]]', False, None, False)
@example(("messages", 0, "id"), "true", True, None, False)
def test_any_value_anywhere_is_accounted_for_or_refused_in_one_line(
    tmp_path: Path, path: tuple[str | int, ...], text: str, twice: bool, zone: str | None, salvage: bool
) -> None:
    file = tmp_path / "result.json"
    file.write_text(with_value(path, text, twice=twice), "utf-8")
    report = ReadingReport()
    try:
        messages = read_messages(file, ReadOptions(time_zone=zone, salvage=salvage), report)
        tables = export_tables(messages, time_zone=time_zone(zone), last_day=date(2026, 1, 1))
    except QuantlabError as error:
        require_one_line(error)
        return
    entries = tables.dispositions.to_pylist()
    assert [entry["ordinal"] for entry in entries] == list(range(report.messages))
    assert report.messages == len(ENTRIES) or salvage or path == ("messages",)
    quarantined = [entry["ordinal"] for entry in entries if entry["disposition"] == "quarantined"]
    assert tables.quarantine["ordinal"].to_pylist() == quarantined
    for payload in tables.quarantine["payload"].to_pylist():
        json.loads(payload)
    events_of_day(tables.messages, date(2025, 5, 1))


def test_an_export_cut_anywhere_keeps_its_whole_entries_in_the_tables(tmp_path: Path) -> None:
    content = json.dumps(EXPORT, ensure_ascii=False, indent=1).encode()
    file = tmp_path / "result.json"
    known = 0
    for length in range(0, len(content), 3):
        file.write_bytes(content[:length])
        report = ReadingReport()
        try:
            tables = export_tables(read_messages(file, ReadOptions(salvage=True), report))
        except QuantlabError as error:
            require_one_line(error)
            continue
        assert known <= tables.dispositions.num_rows == report.messages
        known = report.messages
    assert known == len(ENTRIES)
