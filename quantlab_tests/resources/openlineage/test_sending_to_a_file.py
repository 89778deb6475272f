"""A file gets every event once, in order, and whatever interrupted the sender leaves nothing lost and nothing twice."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.events.event_files import event_path
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.artifacts.eventful_lake import eventful_lake
from quantlab_tests.resources.artifacts.lakes import free_request, new_store
from quantlab_tests.resources.openlineage.received_lineage import (
    events_in,
    positions_of,
    received,
    recorded,
    send_to_file,
    waiting_events,
)


@pytest.fixture
def store(tmp_path: Path) -> ParquetArtifactStore:
    store = new_store(tmp_path / "lake")
    for number in range(3):
        store.publish_many([free_request([number, n], key=f"of={n}") for n in range(2)])
    return store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out" / "lineage.jsonl"


def send(store: ParquetArtifactStore, file: Path, limit: int | None = None) -> int:
    return send_to_file(store, store.paths, file, limit=limit).sent


def forget_positions(store: ParquetArtifactStore) -> None:
    for position in store.paths.lineage_positions.glob("*/position.json"):
        position.unlink()


def test_a_second_sending_finds_nothing_and_new_changes_are_appended(store: ParquetArtifactStore, file: Path) -> None:
    assert send(store, file) == 3
    whole = file.read_bytes()
    assert send(store, file) == 0
    store.publish(free_request([9]))
    assert send(store, file) == 1
    assert file.read_bytes().startswith(whole)
    assert received(events_in(file)) == recorded(store)


def test_sending_in_pieces_gives_the_same_bytes_as_sending_at_once(tmp_path: Path) -> None:
    store = eventful_lake(tmp_path / "lake")
    at_once, in_pieces = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    number = send(store, at_once)
    pieces = []
    while pieces[-1:] != [0]:
        pieces.append(send(store, in_pieces, limit=7))
    assert sum(pieces) == number
    assert at_once.read_bytes() == in_pieces.read_bytes()
    assert events_in(at_once) == waiting_events(store, store.paths)


def test_after_an_append_without_a_position_the_file_says_what_it_has(store: ParquetArtifactStore, file: Path) -> None:
    """As a kill between the two leaves it, and when all positions are lost."""
    send(store, file, limit=2)
    forget_positions(store)
    assert send(store, file) == 1
    assert received(events_in(file)) == recorded(store)


@pytest.mark.parametrize("kept", [1, 13, 14, 40, 700, -1])
def test_a_line_that_was_cut_off_is_written_anew(store: ParquetArtifactStore, file: Path, kept: int) -> None:
    send(store, file)
    whole = file.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    forget_positions(store)
    os.truncate(file, last + kept if kept > 0 else len(whole) - 1)
    assert send(store, file) == 1
    assert file.read_bytes() == whole


def test_a_first_line_that_was_cut_off_and_zeros_of_a_disk_without_power_are_no_events(
    store: ParquetArtifactStore, file: Path
) -> None:
    send(store, file, limit=1)
    first = file.read_bytes()
    for left in (first[:100], first + b"\0" * 5000, first + b"\0" * 100 + b'"}\n'):
        forget_positions(store)
        file.write_bytes(left)
        send(store, file, limit=1)
        assert file.read_bytes().startswith(first)
        assert events_in(file)
    send(store, file)
    assert received(events_in(file)) == recorded(store)


@pytest.mark.parametrize(
    "foreign", [b"notes\n", b"notes", b"\0\1binary", b'{"a": 1}\n', b'{"eventTime":"2026","run":{"facets":{}}}\n']
)
def test_a_file_of_somebody_else_is_left_as_it_is(store: ParquetArtifactStore, file: Path, foreign: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(foreign)
    with pytest.raises(ConflictError, match="did not send"):
        send(store, file)
    assert file.read_bytes() == foreign


def test_a_file_that_was_moved_away_is_begun_anew_where_the_old_one_ended(
    store: ParquetArtifactStore, file: Path
) -> None:
    send(store, file, limit=2)
    moved = file.rename(file.with_name("yesterday.jsonl"))
    assert send(store, file) == 1
    assert received(events_in(moved) + events_in(file)) == recorded(store)


def test_the_file_of_another_lake_is_refused(store: ParquetArtifactStore, file: Path, tmp_path: Path) -> None:
    send(store, file)
    other = new_store(tmp_path / "other")
    for number in range(4):
        other.publish(free_request([number], key="of=other"))
    before = file.read_bytes()
    with pytest.raises(ConflictError, match="is not the change 3 of this lake"):
        send(other, file)
    assert file.read_bytes() == before


def test_a_lake_that_went_back_in_time_sends_nothing(store: ParquetArtifactStore, file: Path, tmp_path: Path) -> None:
    earlier = copied_lake(store.paths.home, tmp_path / "earlier")
    store.publish(free_request([9]))
    send(store, file)
    old = new_store(earlier)
    with pytest.raises(ConflictError, match="an older copy"):
        send(old, file)
    old.publish(free_request([8]))
    with pytest.raises(ConflictError, match="is not the change 4 of this lake"):
        send(old, file)


def test_a_manifest_made_anew_sends_nothing_again(tmp_path: Path, file: Path) -> None:
    store = eventful_lake(tmp_path / "lake")
    send(store, file)
    store.paths.manifest_db.unlink()
    rebuild(store)
    assert send(store, file) == 0
    store.publish(free_request([99]))
    assert send(store, file) == 1
    assert received(events_in(file)) == recorded(store)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lake_that_lost_an_event_goes_on_with_what_was_salvaged(
    store: ParquetArtifactStore, file: Path, lost: int
) -> None:
    send(store, file)
    before = file.read_bytes()
    event_path(store.paths.events, lost).unlink()
    store.paths.manifest_db.unlink()
    rebuild(store, salvage=True)
    assert received(waiting_events(store, store.paths)) == recorded(store)
    send(store, file)
    assert file.read_bytes().startswith(before)
    assert recorded(store) - received(events_in(file)) == Counter()


def test_two_senders_never_write_at_once(store: ParquetArtifactStore, file: Path) -> None:
    with positions_of(store.paths).locked(str(file)) as is_alone:
        assert is_alone
        with pytest.raises(ConflictError, match="another sender is at work"):
            send(store, file)
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="being written to by another sender"):
            send(store, file)
    assert send(store, file) == 3


def test_what_is_no_plain_file_is_refused(store: ParquetArtifactStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInputError, match="no plain file"):
        send(store, tmp_path / "pipe")


def test_lines_are_whole_json_without_anything_that_breaks_lines(store: ParquetArtifactStore, file: Path) -> None:
    store.publish(free_request([7, 7], key="of=1", supersede_reason="a\nb\u2028ü"))
    send(store, file)
    *_, last = [json.loads(line) for line in file.read_text("ascii").splitlines()]
    assert last["outputs"][0]["facets"]["quantlab_supersession"]["reason"] == "a\nb\u2028ü"
