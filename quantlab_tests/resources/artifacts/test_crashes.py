"""A publisher is killed, or refused by the disk, at its system calls; what was acknowledged before stays whole.

`strace` injects the faults, so this needs Linux and the right to trace; elsewhere the tests are skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import HandClock, free_request, new_store
from quantlab_tests.resources.artifacts.publisher_process import STORAGE_ERROR_STATUS, publish_carefully

ROOT = Path(__file__).parents[3]
WRITE_CLASS = (
    "write,pwrite64,fsync,fdatasync,ftruncate,fchmod,link,linkat,rename,renameat,unlink,unlinkat,mkdir,mkdirat"
)
CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
KILLED = -9
EVERY_FILE_CALL, EVERY_PAGE_WRITE = 2, 12
"""How many of the calls are tried: every second one on files, every twelfth page that SQLite writes. A case takes about
60 ms on an idle machine."""


@dataclass(frozen=True)
class Fault:
    """The ``ordinal``-th call of ``name`` (from 1) meets ``effect``: ``signal=KILL`` or ``error=…``."""

    name: str
    ordinal: int
    effect: str


class Publishers:
    """Runs publishers in forked processes, one at a time, under a tracer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quantlab_tests.resources.artifacts.publisher_process"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, kind: str, home: Path, fault: Fault | None = None) -> tuple[int, list[str]]:
        """Exit status of a publisher at ``home``, and the names of its write-class calls in order."""
        status, lines = self.traced(kind, home, fault)
        return status, [match[1] for match in map(CALL.match, lines) if match]

    def traced(self, kind: str, home: Path, fault: Fault | None = None) -> tuple[int, list[str]]:
        """Exit status of a publisher at ``home``, and its write-class calls as strace shows them, with paths."""
        log = self.folder / "trace.log"
        process = self._ask(f"{kind} {home}")
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
        status = int(self._ask("go"))
        tracer.communicate()
        return status, log.read_text().splitlines()

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def publishers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publishers]:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    started = Publishers(tmp_path_factory.mktemp("traces"))
    yield started
    started.close()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with an acknowledged artifact and a pending experiment."""
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1], key="of=a"))
    store.journal.append(ExperimentTransition("e1", ExperimentStatus.PENDING))
    store.close()
    return tmp_path / "lake"


def store_at(home: Path) -> ParquetArtifactStore:
    return ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=HandClock())


def fault_points(calls: list[str], effect: str) -> list[Fault]:
    """An even sample of the calls, each by its name and how many of that name came before it."""
    counts: Counter[str] = Counter()
    points = []
    for name in calls:
        counts[name] += 1
        points.append(Fault(name, counts[name], effect))
    pages = [fault for fault in points if fault.name == "pwrite64"]
    files = [fault for fault in points if fault.name != "pwrite64"]
    return files[::EVERY_FILE_CALL] + pages[::EVERY_PAGE_WRITE]


def breaches(home: Path) -> list[str]:
    """What is wrong with a lake whose publisher was stopped: nothing may be half there, nothing acknowledged lost."""
    store = store_at(home)
    found = [problem.detail for problem in verify(store, deep=True).problems]
    values = sorted(
        (head.logical_key, store.read(head.artifact_id).to_pylist()[0]["n"])
        for head in store.heads("outside")
        if not found
    )
    state = store.journal.latest("e1").status
    if not found and (values, state) not in (
        ([("of=a", 1)], ExperimentStatus.PENDING),
        ([("of=a", 2), ("of=b", 3)], ExperimentStatus.RUNNING),
    ):
        found.append(f"half published: {values}, {state}")
    store.close()
    return found


def heals(home: Path) -> bool:
    """Whether publishing again and recovery give a whole, clean lake with everything in it."""
    store = store_at(home)
    if store.journal.latest("e1").status is ExperimentStatus.PENDING:
        publish_carefully(store)
    recover(store)
    is_done = store.journal.latest("e1").status is ExperimentStatus.RUNNING and len(store.heads("outside")) == 2
    is_healed = is_done and verify(store, deep=True).is_whole and recover(store).is_clean
    store.close()
    return is_healed


def test_a_publisher_that_is_killed_anywhere_loses_nothing_and_leaves_nothing_half_done(
    publishers: Publishers, lake: Path, tmp_path: Path
) -> None:
    complete = shutil.copytree(lake, tmp_path / "complete")
    status, calls = publishers.run("careful", complete)
    assert status == 0
    assert {"fsync", "link", "rename", "pwrite64"} <= set(calls)
    for number, fault in enumerate(fault_points(calls, "signal=KILL")):
        home = shutil.copytree(lake, tmp_path / f"killed-{number}")
        status, _ = publishers.run("careful", home, fault)
        assert status == KILLED, fault
        assert breaches(home) == [], fault
        assert heals(home), fault


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_disk_that_refuses_is_a_storage_error_that_names_the_path_and_leaves_nothing_half_done(
    publishers: Publishers, lake: Path, tmp_path: Path, error: str
) -> None:
    _, calls = publishers.run("careful", shutil.copytree(lake, tmp_path / "complete"))
    refusable = [fault for fault in fault_points(calls, f"error={error}") if not fault.name.startswith("unlink")]
    for number, fault in enumerate(refusable[::3]):
        home = shutil.copytree(lake, tmp_path / f"refused-{number}")
        status, _ = publishers.run("careful", home, fault)
        # SQLite may do without a call that failed (a checkpoint comes again): then the publish has succeeded.
        assert status in (STORAGE_ERROR_STATUS, 0), fault
        assert breaches(home) == [], fault
        assert heals(home), fault


def test_a_careless_publisher_is_caught(publishers: Publishers, lake: Path, tmp_path: Path) -> None:
    _, calls = publishers.run("careless", shutil.copytree(lake, tmp_path / "complete"))
    for number, fault in enumerate(fault_points(calls, "signal=KILL")):
        home = shutil.copytree(lake, tmp_path / f"killed-{number}")
        publishers.run("careless", home, fault)
        if breaches(home):
            return
    pytest.fail("a row without its file went unnoticed")


def order_breaches(lines: list[str]) -> list[str]:
    """Which of the protocol's orders a trace breaks: bytes before name, name before folder, folder before commit."""
    found = []
    links = [(index, *re.findall(r'"([^"]+)"', line)) for index, line in enumerate(lines) if line.startswith("link")]
    renames = [
        (index, *re.findall(r'"([^"]+)"', line)) for index, line in enumerate(lines) if line.startswith("rename")
    ]
    syncs = [
        (index, match[1]) for index, line in enumerate(lines) if (match := re.match(r"f\w*sync\(\d+<([^>]+)>", line))
    ]
    # Opening a copied manifest may write pages of its own, to recover its WAL: they come before the first staged file.
    begun = min((sync for sync, path in syncs if "/_tmp/" in path), default=0)
    pages = [
        index for index, line in enumerate(lines) if index > begun and line.startswith("pwrite64") and "sqlite" in line
    ]
    commit = pages[0] if pages else len(lines)
    for index, staged, final in links + renames:
        if not any(sync < index and path == staged for sync, path in syncs):
            found.append(f"{final} was named before its bytes were durable")
        if not any(index < sync < commit and path == str(Path(final).parent) for sync, path in syncs):
            found.append(f"the folder of {final} was not durable before the commit")
    wal = [sync for sync, path in syncs if path.endswith("-wal")]
    if not links or not renames or not wal or max(wal) < commit:
        found.append("no link, no event, or no sync of the commit")
    return found


def test_bytes_are_durable_before_names_and_names_before_the_commit(
    publishers: Publishers, lake: Path, tmp_path: Path
) -> None:
    _, lines = publishers.traced("careful", shutil.copytree(lake, tmp_path / "complete"))
    assert order_breaches(lines) == []
    for kind in ("fsync", "fdatasync"):
        unsynced = [line for line in lines if not line.startswith(kind)]
        assert order_breaches(unsynced) != [], f"a publisher without {kind} must be caught"
    folder_syncs = [line for line in lines if re.match(r"fsync\(\d+<[^>]*/v1>", line)]
    assert len(folder_syncs) == 1
    assert order_breaches([line for line in lines if line not in folder_syncs]) != []
    commits = [line for line in lines if "sqlite" in line]
    assert order_breaches([*commits, *(line for line in lines if "sqlite" not in line)]) != [], "committed first"
