"""Sending lineage to a file, one event after the other."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

from quantlab_tests.faults.lake_view import clean_up, flaws, store_at
from quantlab_tests.faults.scenario import WritePath
from quantlab_tests.faults.store_paths import make_lake
from quantlab_tests.resources.artifacts.lakes import HandClock, free_request
from quantlab_tests.resources.openlineage.received_lineage import outbox_of, positions_of, send_to_file

EVENTS = 5


def make_lake_with_lineage(home: Path) -> None:
    """Five events in four changes: one change has two, another none."""
    make_lake(home)
    store = store_at(home)
    made_from = [store.heads("outside", "of=a")[0].artifact_id]
    store.publish_many([free_request([2], key="of=b", input_artifact_ids=made_from), free_request([3], key="of=c")])
    wrong = store.publish(free_request([4], key="of=wrong")).artifact_id
    store.tombstone(wrong, reason="wrong")
    store.close()


def send_one(home: Path) -> None:
    store = store_at(home)
    send_to_file(store, store.paths, home / "lineage.jsonl", limit=1)
    store.close()


def send_carelessly(home: Path) -> None:
    """The position first and then the event, in small pieces and without a sync."""
    store = store_at(home)
    positions = positions_of(store.paths, HandClock())
    file = home / "lineage.jsonl"
    for transaction in outbox_of(store, store.paths).waiting(None):
        positions.move(str(file), transaction.place(len(transaction.lines)))
        with file.open("ab", buffering=0) as out:
            for line in transaction.lines:
                out.write(line[:100])
                out.write(line[100:] + b"\n")
    store.close()


def sent_view(home: Path) -> Any:
    """Which events the file has whole, in order; a line that is not finished is no event."""
    file = home / "lineage.jsonl"
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    logs = []
    for line in lines:
        event = json.loads(line)
        log = (event.get("run") or event["dataset"])["facets"]["quantlab_log"]
        logs.append((log["sequence"], log["part"]))
    return logs


def sending_flaws(home: Path) -> list[str]:
    """Flaws of the lake, and a position that claims more than the file has."""
    store = store_at(home)
    try:
        recorded = positions_of(store.paths).recorded(str(home / "lineage.jsonl"))
        told = [place for transaction in outbox_of(store, store.paths).waiting(None) for place in _places(transaction)]
    finally:
        store.close()
    claimed = 0 if recorded is None else sum(p <= (recorded.place.sequence, recorded.place.part) for p in told)
    seen = sent_view(home)
    found = flaws(home)
    if claimed > len(seen):
        found.append(f"the position claims {claimed} events, the file has {len(seen)}")
    if seen != told[: len(seen)]:
        found.append(f"lost, twice or in another order: {seen}")
    return found


def _places(transaction: Any) -> list[tuple[int, int]]:
    return [(transaction.sequence, part) for part, _ in zip(count(1), transaction.lines, strict=False)]


def clear_sending(home: Path) -> bool:
    """Sending is what clears its own; says whether it left a half-written position."""
    left = [path.name for path in (home / "manifest" / "lineage").glob("*/staged-*")]
    clean_up(home)
    return bool(left)


LINEAGE = WritePath(
    "lineage",
    make_lake_with_lineage,
    (send_one,) * EVENTS,
    sent_view,
    lambda view: view,
    sending_flaws,
    clear_sending,
    send_carelessly,
    cases=18,
    refused_cases=8,
)
