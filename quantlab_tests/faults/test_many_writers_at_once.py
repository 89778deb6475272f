"""Eight processes write, correct, withdraw, verify and clean up in one lake for seconds: nobody is turned away."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import apsw
import pytest

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.errors import ArtifactMissingError, ConflictError, StorageError
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.garbage_collection import collect_garbage
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.faults.lake_view import clean_up, flaws, store_at
from quantlab_tests.faults.store_paths import make_lake
from quantlab_tests.resources.artifacts.lakes import free_request

PROCESSES, SECONDS = 8, 8.0


def import_everything(_number: int) -> int:
    """Keep one process of the pool until all of them have loaded this module."""
    time.sleep(1.0)
    return os.getpid()


def write_a_mixture(home: str, number: int, until: float) -> dict[str, list[str]]:
    """Publish, correct and withdraw until the time is up; what was acknowledged, by kind."""
    store, dice = store_at(Path(home)), random.Random(number)
    done: dict[str, list[str]] = {"own": [], "shared": [], "contested": [], "withdrawn": [], "superseded": []}
    turn = 0
    while time.time() < until:
        turn += 1
        own = store.publish(free_request([number, turn], key=f"own={number}.{turn}", run_id=str(number)))
        done["own"].append(own.artifact_id)
        shared = free_request([turn % 20], key=f"shared={turn % 20}", run_id=str(number))
        done["shared"].append(store.publish(shared).artifact_id)
        contested = free_request([number, turn], key=f"contested={dice.randrange(3)}", run_id=str(number))
        done["contested"].append(store.publish(contested).artifact_id)
        if turn % 5 == 0:
            store.tombstone(own.artifact_id, reason="wrong")
            done["withdrawn"].append(own.artifact_id)
        elif turn % 5 == 2 and turn > 5:
            earlier = done["own"][-2]
            store.supersede(own.artifact_id, earlier, reason="better")
            done["superseded"].append(earlier)
        if turn % 3 == 0:
            several = [free_request([number, turn, place], key=f"many={number}.{turn}.{place}") for place in (1, 2)]
            experiment = ExperimentTransition(f"e{number}.{turn}", ExperimentStatus.PENDING)
            done["own"] += [result.artifact_id for result in store.publish_many(several, transition=experiment)]
    store.close()
    return done


def look_after(home: str, until: float) -> int:
    """Verify, recover and collect garbage beside the writers until the time is up; how much had the lake to itself."""
    store, alone = store_at(Path(home)), 0
    while time.time() < until:
        for clean in (lambda: recover(store, wait_s=0.2), lambda: collect_garbage(store, wait_s=0.2)):
            try:
                clean()
                alone += 1
            except StorageError as error:
                if "others are publishing" not in str(error):
                    raise
        problems = verify(store, subset=(1, 5)).problems
        if problems:
            raise AssertionError(f"verification beside writers: {problems[0]}")
        store.close()
    return alone


def is_readable_or_collected(store: ParquetArtifactStore, artifact: Artifact) -> bool:
    """Whether its rows are there; those of one that nobody uses any more may have been collected, and say so."""
    try:
        return store.read(artifact.artifact_id).num_rows > 0
    except ArtifactMissingError as error:
        return artifact.status is not ArtifactStatus.ACTIVE and "collected" in str(error)


def test_eight_processes_lose_no_update_and_nobody_is_turned_away(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    # A pool ends its processes by SIGTERM, which they would ignore where this process does: Dagster's runs leave it so.
    with multiprocessing.get_context("spawn").Pool(PROCESSES, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
        while len(set(pool.map(import_everything, range(PROCESSES), chunksize=1))) < PROCESSES:
            pass  # a busy machine starts processes slowly
        until = time.time() + SECONDS
        keeper = pool.apply_async(look_after, (str(home), until))
        writers = [pool.apply_async(write_a_mixture, (str(home), number, until)) for number in range(PROCESSES - 1)]
        done = [writer.get(timeout=120) for writer in writers]
        keeper.get(timeout=120)
    store = store_at(home)
    acknowledged = {artifact_id for kinds in done for ids in kinds.values() for artifact_id in ids}
    found = {artifact.artifact_id: artifact for artifact in store.get_artifacts(sorted(acknowledged)) if artifact}
    assert found.keys() == acknowledged
    for artifact_id in sorted(acknowledged):
        assert is_readable_or_collected(store, found[artifact_id])
    assert all(found[a].status is ArtifactStatus.TOMBSTONED for kinds in done for a in kinds["withdrawn"])
    assert all(found[a].status is ArtifactStatus.SUPERSEDED for kinds in done for a in kinds["superseded"])
    heads = store.heads("outside")
    assert len(heads) == len({head.logical_key for head in heads})
    published = sum(len(kinds[kind]) for kinds in done for kind in ("own", "shared", "contested"))
    with store.manifest.reading() as connection:
        recorded = connection.execute("SELECT count(*) FROM publications").get
        active = Counter(
            row[0]
            for row in connection.execute(
                "SELECT logical_key FROM artifacts WHERE status = 'active' AND logical_key LIKE 'contested=%'"
            )
        )
    assert recorded == published + 1  # the lake was made with one
    assert set(active.values()) == {1}
    store.close()
    assert flaws(home) == []
    clean_up(home)
    assert flaws(home) == []
    assert min(len(kinds["own"]) for kinds in done) > 0


@pytest.mark.parametrize(("begin", "is_refused"), [("BEGIN IMMEDIATE", False), ("BEGIN DEFERRED", True)])
def test_a_transaction_that_reads_before_it_locks_would_be_turned_away(
    tmp_path: Path, begin: str, is_refused: bool
) -> None:
    """The negative control of BEGIN IMMEDIATE: no waiting helps a transaction whose view is outdated."""
    first, second = (apsw.Connection(str(tmp_path / "counter.sqlite")) for _ in range(2))
    first.execute("PRAGMA journal_mode = WAL").fetchall()
    first.execute("CREATE TABLE counter (value); INSERT INTO counter VALUES (0)")
    second.set_busy_timeout(10_000)

    def add_one(connection: apsw.Connection, value: int) -> None:
        connection.execute("UPDATE counter SET value = ?", (value + 1,))
        connection.execute("COMMIT")

    first.execute(begin)
    seen = first.execute("SELECT value FROM counter").get
    if is_refused:
        second.execute(begin)
        outdated = second.execute("SELECT value FROM counter").get
        add_one(first, seen)
        with pytest.raises(apsw.BusyError):
            add_one(second, outdated)
        second.execute("ROLLBACK")
    else:
        later = threading.Timer(0.2, lambda: add_one(first, seen))
        later.start()
        second.execute(begin)  # waits for the first
        later.join()
        add_one(second, second.execute("SELECT value FROM counter").get)
        assert second.execute("SELECT value FROM counter").get == 2
    first.close()
    second.close()


def test_a_publisher_without_the_writers_lock_would_lose_its_files_to_recovery(tmp_path: Path) -> None:
    """With the lock recovery keeps away; without it the files are gone before the row."""
    home = tmp_path / "lake"
    make_lake(home)
    careful, careless = store_at(home), store_at(home)
    with careful.publishing(), pytest.raises(StorageError, match="others are publishing"):
        recover(store_at(home), wait_s=0.0)
    with careless.files.staged([b"half"]) as staged:
        recover(store_at(home), wait_s=0.0)
        assert not Path(careless.files.location(staged)).exists()


def test_two_processes_cannot_both_start_one_attempt(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    with multiprocessing.get_context("spawn").Pool(4, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
        started = pool.map(start, [str(home)] * 8)
    assert started.count(True) == 1


def start(home: str) -> bool:
    try:
        store_at(Path(home)).journal.append(ExperimentTransition("e1", ExperimentStatus.RUNNING))
    except ConflictError:
        return False
    return True
