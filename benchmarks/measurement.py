"""Figures: medians over rounds, each beside its peers, as a table for people or as JSON.

A subject and its peers take turns within each round, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

Unit = Literal["per s", "GB/s", "ms", "MiB"]
"""How a cost is shown. Costs are held in seconds or bytes per operation (``GB/s``: an operation is a byte), so a ratio
above 1 always means dearer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The median cost of one operation: seconds of wall time, or bytes. ``cpu_s`` is the CPU time of its process."""

    name: str
    cost: float
    cpu_s: float | None = None

    def shown(self, unit: Unit) -> float:
        """The cost in ``unit``."""
        per_s = 1 / self.cost
        return {"per s": per_s, "GB/s": per_s / 1e9, "ms": self.cost * 1e3, "MiB": self.cost / 2**20}[unit]


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, beside what else was measured in the same rounds."""

    subject: Measured
    unit: Unit
    peers: tuple[Measured, ...]

    def ratio(self, peer: Measured) -> float:
        """How many times the peer's cost the subject's is."""
        return self.subject.cost / peer.cost


def interleaved(
    actions: Mapping[str, Callable[[], object]], *, rounds: int, operations: int = 1
) -> dict[str, Measured]:
    """The median cost of each action by name, over ``rounds`` after one that does not count (0: that one counts).

    Each call of an action does ``operations`` operations; costs are per operation.
    """
    walls: dict[str, list[float]] = {name: [] for name in actions}
    cpus: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds + 1):
        for name, action in actions.items():
            wall, cpu = time.perf_counter(), time.process_time()
            action()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if number or not rounds:
                walls[name].append(wall / operations)
                cpus[name].append(cpu / operations)
    return {name: Measured(name, statistics.median(walls[name]), statistics.median(cpus[name])) for name in actions}


def figure(measured: Mapping[str, Measured], unit: Unit) -> Figure:
    """The figure whose subject is the first of ``measured`` and whose peers are the others."""
    subject, *peers = measured.values()
    return Figure(subject, unit, tuple(peers))


def machine() -> dict[str, Any]:
    """What a reader must know about the machine; never its name. ``load`` is the 1-minute load average."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def as_json(figures: Mapping[str, Sequence[Figure]]) -> list[dict[str, Any]]:
    """All figures by benchmark, as plain values."""
    return [
        {
            "benchmark": benchmark,
            **_entry(one.subject, one.unit),
            "peers": [_entry(peer, one.unit) | {"ratio": one.ratio(peer)} for peer in one.peers],
        }
        for benchmark, group in figures.items()
        for one in group
    ]


def print_table(figures: Sequence[Figure], console: Console) -> None:
    """Subjects with their peers below them; ``times`` is the subject's cost over the peer's."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in ("", "unit", "CPU ms", "times"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    for one in figures:
        table.add_row(one.subject.name, *_cells(one.subject, one.unit), "", style="bold")
        for peer in one.peers:
            table.add_row(f"  / {peer.name}", *_cells(peer, one.unit), _number(one.ratio(peer)))
    console.print(table)


def _entry(measured: Measured, unit: Unit) -> dict[str, Any]:
    cpu_ms = None if measured.cpu_s is None else measured.cpu_s * 1e3
    return {"name": measured.name, "value": measured.shown(unit), "unit": unit, "cpu_ms": cpu_ms}


def _cells(measured: Measured, unit: Unit) -> tuple[str, str, str]:
    return _number(measured.shown(unit)), unit, "" if measured.cpu_s is None else _number(measured.cpu_s * 1e3)


def _number(value: float) -> str:
    """Three digits that count."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"
