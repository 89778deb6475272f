"""Runs write paths in forked processes, one at a time, under ``strace``, which injects the faults."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITE_CLASS = (
    "write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,fallocate,truncate,ftruncate,fsync,fdatasync,"
    "sync_file_range,chmod,fchmod,fchmodat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,unlink,unlinkat,"
    "rmdir,mkdir,mkdirat"
)
CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
KILLED = -signal.SIGKILL
_STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Fault:
    """The ``ordinal``-th call of ``name`` (from 1) meets ``effect``: ``signal=KILL``, ``error=EIO``…"""

    name: str
    ordinal: int
    effect: str


@dataclass(frozen=True)
class Outcome:
    """How the process ended, and its write-class calls as strace shows them, with paths."""

    status: int
    lines: tuple[str, ...]

    @property
    def calls(self) -> list[str]:
        """The calls in order, without what else strace writes down."""
        return [line for line in self.lines if CALL.match(line)]


class TracedActor:
    """A warm process that forks a child for every run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quantlab_tests.faults.acting_process"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    @classmethod
    def started(cls, folder: Path) -> TracedActor:
        """A new actor; skips the test, and says why, where tracing is impossible."""
        if shutil.which("strace") is None:
            pytest.skip("strace is not installed")
        return cls(folder)

    def run(
        self,
        name: str,
        kind: str,
        home: Path,
        fault: Fault | None = None,
        *,
        while_stopped: Callable[[], object] | None = None,
    ) -> Outcome:
        """Act at ``home``; ``while_stopped`` is called when a fault has stopped the process, which then goes on."""
        log = self.folder / "trace.log"
        process = self._ask(f"{name} {kind} {home}")
        inject = [] if fault is None else ["-e", f"inject={fault.name}:{fault.effect}:when={fault.ordinal}"]
        tracer = subprocess.Popen(
            ["strace", "-y", "-o", str(log), "-e", f"trace={WRITE_CLASS}", *inject, "-p", process],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert tracer.stderr is not None
        if "attached" not in tracer.stderr.readline():
            self._ask("go")
            tracer.communicate()
            pytest.skip("strace may not attach to processes here")
        self._say("go")
        try:
            if while_stopped is not None and self._has_stopped(log, tracer):
                while_stopped()
        finally:
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGCONT)
            status = int(self._hear())
            tracer.communicate()
        return Outcome(status, tuple(log.read_text().splitlines()))

    def close(self) -> None:
        """End the warm process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _has_stopped(self, log: Path, tracer: subprocess.Popen[str]) -> bool:
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while tracer.poll() is None and time.monotonic() < deadline:
            if log.exists() and "--- stopped by SIGSTOP" in log.read_text():
                return True
            time.sleep(0.005)
        return False

    def _ask(self, line: str) -> str:
        self._say(line)
        return self._hear()

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def fault_points(calls: Iterable[str], effect: str, most: int) -> list[Fault]:
    """At most ``most`` of the traced calls, evenly spread; page writes of databases, which are many, are a third."""
    counts: Counter[str] = Counter()
    files: list[Fault] = []
    pages: list[Fault] = []
    for line in calls:
        match = CALL.match(line)
        assert match is not None, line
        name = match[1]
        counts[name] += 1
        (pages if name == "pwrite64" else files).append(Fault(name, counts[name], effect))
    chosen_pages = spread(pages, most // 3)
    return spread(files, most - len(chosen_pages)) + chosen_pages


def spread(faults: list[Fault], most: int) -> list[Fault]:
    """An even sample of the faults, with the first and the last."""
    if len(faults) <= most:
        return faults
    return [faults[round(place * (len(faults) - 1) / max(most - 1, 1))] for place in range(most)]
