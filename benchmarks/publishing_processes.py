"""Processes that publish slices of their own into one lake, all at once: what they reach together, and their errors."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from benchmarks.workload import new_lake, slice_request
from quantlab_core.errors import QuantlabError

_SLICES_EACH = 10_000_000
"""No process ever publishes as many: the numbers of their slices never meet."""


class PublishingProcesses:
    """``count`` processes that wait, with everything imported and the lake at ``home`` open, to be told to publish."""

    def __init__(self, home: Path, *, count: int, rows: int) -> None:
        new_lake(home).close()
        context = multiprocessing.get_context("spawn")
        self._processes = []
        self._connections: list[Connection] = []
        for number in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_publish_when_told, args=(there, home, number * _SLICES_EACH, rows))
            process.start()
            self._processes.append(process)
            self._connections.append(here)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for connection in self._connections:
            connection.send(0)
        for process in self._processes:
            process.join()

    def publish(self, slices: int, *, processes: int) -> tuple[float, Sequence[str]]:
        """Seconds for one of ``slices`` new slices, shared out among that many processes, and what was raised."""
        told = self._connections[:processes]
        for connection in told:
            connection.send(slices // processes)
        for connection in told:
            connection.recv()
        start = time.perf_counter()
        for connection in told:
            connection.send("go")
        errors = [error for connection in told for error in connection.recv()]
        return (time.perf_counter() - start) / (slices // processes * processes), errors


def _publish_when_told(connection: Connection, home: Path, first: int, rows: int) -> None:
    store = new_lake(home)
    while count := connection.recv():
        requests = [slice_request(number, rows) for number in range(first, first + count)]
        first += count
        connection.send("ready")
        connection.recv()
        errors = []
        for request in requests:
            try:
                store.publish(request)
            except QuantlabError as error:
                errors.append(str(error))
        connection.send(errors)
    store.close()
