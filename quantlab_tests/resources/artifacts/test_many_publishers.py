"""Many processes publish into one lake at once: nothing is lost, one head per key, nobody is turned away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

from quantlab_core.clock import Clock
from quantlab_core.errors import IllegalTransitionError
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import free_request, new_store

PROCESSES, ROUNDS = 4, 8


def opened(home: str) -> ParquetArtifactStore:
    clock: Clock = SystemClock()
    return ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=clock)


def publish_a_mixture(home: str, number: int) -> list[str]:
    """Own content under own keys, equal content under shared keys, conflicting content under one key."""
    store, ids = opened(home), []
    for turn in range(ROUNDS):
        requests = [
            free_request([number, turn], key=f"own={number}.{turn}", run_id=f"{number}"),
            free_request([turn], key=f"shared={turn}", run_id=f"{number}"),
            free_request([number, turn], key="contested=1", run_id=f"{number}"),
        ]
        ids += [store.publish(request).artifact_id for request in requests]
    return ids


def try_to_start(home: str, number: int) -> bool:
    try:
        opened(home).journal.append(ExperimentTransition("e1", ExperimentStatus.RUNNING))
    except IllegalTransitionError:
        return False
    return True


def test_processes_publish_distinct_equal_and_conflicting_content(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.journal.append(ExperimentTransition("e1", ExperimentStatus.PENDING))
    # A pool ends its processes by SIGTERM, which they would ignore where this process does: Dagster's runs leave it so.
    with multiprocessing.get_context("spawn").Pool(PROCESSES, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
        arguments = [(str(tmp_path), number) for number in range(PROCESSES)]
        published = pool.starmap(publish_a_mixture, arguments)
        started = pool.starmap(try_to_start, arguments)
    assert started.count(True) == 1
    keys = [f"own={number}.{turn}" for number in range(PROCESSES) for turn in range(ROUNDS)]
    keys += [f"shared={turn}" for turn in range(ROUNDS)] + ["contested=1"]
    heads = store.heads("outside")
    assert [head.logical_key for head in heads] == sorted(keys)
    assert None not in store.get_artifacts([artifact_id for ids in published for artifact_id in ids])
    with store.manifest.reading() as connection:
        publications = connection.execute("SELECT count(*) FROM publications").get
        made, contested = connection.execute(
            "SELECT count(*) FILTER (WHERE deduped = 0 AND logical_key LIKE 'shared=%'),"
            " count(*) FILTER (WHERE logical_key = 'contested=1') FROM publications JOIN artifacts USING (artifact_id)"
        ).fetchone()
        active = connection.execute(
            "SELECT count(*) FROM artifacts WHERE logical_key = 'contested=1' AND status = 'active'"
        ).get
    assert publications == PROCESSES * ROUNDS * 3
    assert (made, contested, active) == (ROUNDS, PROCESSES * ROUNDS, 1)
    assert verify(store, deep=True).is_whole
    assert recover(store).is_clean


def test_threads_share_one_store(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: [store.publish(free_request([n, i], key=f"of={n}.{i}")) for i in range(5)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.heads("outside")) == 20


def test_a_store_can_be_used_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.publish(free_request([1], key="of=before"))
    child = os.fork()
    if child == 0:
        try:
            store.publish(free_request([2], key="of=child"))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    store.publish(free_request([3], key="of=parent"))
    assert [head.logical_key for head in store.heads("outside")] == ["of=before", "of=child", "of=parent"]
