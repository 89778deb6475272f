"""The experiment journal: legal transitions, attempts, and one transaction with what is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantlab_core.errors import (
    ArtifactNotFoundError,
    ConflictError,
    ExperimentNotFoundError,
    IllegalTransitionError,
)
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.events.event_files import event_numbers, read_event
from quantlab_tests.resources.artifacts.lakes import free_request, new_store

PENDING, RUNNING, COMPLETED, FAILED = (ExperimentStatus(name) for name in ("pending", "running", "completed", "failed"))


def to(status: ExperimentStatus, error: str | None = None, **outputs: str) -> ExperimentTransition:
    return ExperimentTransition("e1", status, error, outputs)


def test_attempts_are_counted_and_errors_kept(tmp_path: Path) -> None:
    journal = new_store(tmp_path).journal
    for status, error in [(PENDING, None), (RUNNING, None), (FAILED, "no candles"), (RUNNING, None), (COMPLETED, None)]:
        journal.append(to(status, error))
    entries = journal.entries("e1")
    assert [(e.attempt, e.status, e.error) for e in entries] == [
        (0, PENDING, None),
        (1, RUNNING, None),
        (1, FAILED, "no candles"),
        (2, RUNNING, None),
        (2, COMPLETED, None),
    ]
    assert journal.latest("e1") == entries[-1]
    assert [e.seq for e in entries] == sorted({e.seq for e in entries})


def test_an_illegal_step_is_refused_and_leaves_no_line(tmp_path: Path) -> None:
    journal = new_store(tmp_path).journal
    with pytest.raises(ExperimentNotFoundError):
        journal.append(to(RUNNING))
    with pytest.raises(ExperimentNotFoundError):
        journal.latest("e1")
    journal.append(to(PENDING))
    for status in (PENDING, COMPLETED, FAILED):
        with pytest.raises(IllegalTransitionError):
            journal.append(to(status))
    assert len(journal.entries("e1")) == 1


def test_outputs_and_state_are_published_together_or_not_at_all(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    outputs = [free_request([1], key="experiment=e1/trades"), free_request([2], key="experiment=e1/metrics")]
    done = to(COMPLETED, trades="experiment=e1/trades", metrics="experiment=e1/metrics")
    store.journal.append(to(PENDING))
    with pytest.raises(IllegalTransitionError):
        store.publish_many(outputs, transition=done)
    assert store.heads("outside") == []
    store.journal.append(to(RUNNING))
    with pytest.raises(ConflictError, match="not among what is published"):
        store.publish_many(outputs[:1], transition=done)
    results = store.publish_many(outputs, transition=done)
    latest = store.journal.latest("e1")
    assert latest.status is COMPLETED
    assert latest.outputs == {"trades": results[0].artifact_id, "metrics": results[1].artifact_id}


def test_outputs_can_be_recorded_without_a_change_of_state(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    known = store.publish(free_request([1])).artifact_id
    store.journal.append(to(PENDING))
    store.journal.append(to(RUNNING))
    entry = store.journal.record_outputs("e1", {"trades": known})
    assert (entry.status, entry.attempt, entry.outputs) == (RUNNING, 1, {"trades": known})
    assert store.journal.append(to(FAILED, "x")).outputs == {"trades": known}
    assert store.journal.append(to(RUNNING)).outputs == {}
    with pytest.raises(ArtifactNotFoundError):
        store.journal.record_outputs("e1", {"trades": "nobody"})


def test_the_list_shows_where_each_experiment_stands(tmp_path: Path) -> None:
    journal = new_store(tmp_path).journal
    for name in ("a", "b", "c"):
        journal.append(ExperimentTransition(name, PENDING))
    journal.append(ExperimentTransition("a", RUNNING))
    assert [(e.experiment_id, e.status) for e in journal.list_latest()] == [
        ("a", RUNNING),
        ("c", PENDING),
        ("b", PENDING),
    ]
    assert [e.experiment_id for e in journal.list_latest(PENDING, limit=1)] == ["c"]


def test_every_change_has_its_event_file(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    first = store.publish(free_request([1], tags={"k": "v"})).artifact_id
    second = store.publish(free_request([2])).artifact_id
    store.journal.append(to(PENDING))
    store.tombstone(second, reason="wrong")
    assert sorted(event_numbers(store.paths.events)) == [1, 2, 3, 4]
    changes = [read_event(store.paths.events, seq).changes for seq in (1, 2, 3, 4)]
    assert [[change["kind"] for change in event] for event in changes] == [
        ["artifact", "head", "publication"],
        ["artifact", "head", "publication"],
        ["experiment"],
        ["tombstone", "head"],
    ]
    assert changes[0][2]["tags"] == {"k": "v"}
    assert (changes[1][1]["new"], changes[1][1]["old"]) == (second, first)
    json.dumps(changes)
