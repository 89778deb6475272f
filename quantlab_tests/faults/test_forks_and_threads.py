"""One store shared by threads, and one taken across a fork."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from quantlab_tests.faults.lake_view import flaws, store_at
from quantlab_tests.faults.store_paths import make_lake
from quantlab_tests.resources.artifacts.lakes import free_request

THREADS, EACH = 8, 12


def test_eight_threads_share_one_store_and_lose_nothing(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    store, errors = store_at(home), []

    def publish(number: int) -> None:
        try:
            for turn in range(EACH):
                store.publish(free_request([number, turn], key=f"thread={number}.{turn}"))
                store.publish(free_request([number, turn], key="contested=1"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    keys = {head.logical_key for head in store.heads("outside")}
    wanted = {f"thread={number}.{turn}" for number in range(THREADS) for turn in range(EACH)}
    assert keys == wanted | {"contested=1", "of=a"}
    assert len(store.publications()) == 2 * THREADS * EACH + 1
    store.close()
    assert flaws(home) == []


def test_a_connection_of_the_parent_is_never_used_or_closed_by_a_child(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    store = store_at(home)
    store.publish(free_request([1], key="of=parent"))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.publish(free_request([2], key="of=child"))
            store.close()
            status = 0
        finally:
            os._exit(status)
    store.publish(free_request([3], key="of=parent"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.publish(free_request([4], key="of=parent"))
    assert {head.logical_key for head in store.heads("outside")} == {"of=a", "of=parent", "of=child"}
    store.close()
    assert flaws(home) == []
