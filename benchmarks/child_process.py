"""What a program costs from start to end: wall time, CPU time, peak memory.

A launcher stands between, because Linux counts the memory of whoever starts a program towards that program's peak. The
launcher itself is about 10 MiB, so no peak is seen below that.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measurement import Measured

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable

_LAUNCHER = """
import json, os, sys, time
start = time.perf_counter()
silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent), 0)
wall = time.perf_counter() - start
peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, peak]))
"""


def programs(
    commands: Mapping[str, Sequence[str]],
    *,
    rounds: int,
    environment: Mapping[str, str] | None = None,
    inputs: Mapping[str, bytes] | None = None,
) -> tuple[dict[str, Measured], dict[str, Measured]]:
    """Median time and median peak memory of each command by name, over ``rounds`` as `interleaved` counts them.

    Commands run in turns, in the project's folder; ``inputs`` has what they find on stdin. Raises RuntimeError when one
    fails.
    """
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            run = _run(command, {**os.environ, **(environment or {})}, (inputs or {}).get(name, b""))
            if number or not rounds:
                runs[name].append(run)
    medians = {name: [statistics.median(values) for values in zip(*runs[name], strict=True)] for name in commands}
    times = {name: Measured(name, wall, cpu) for name, (wall, cpu, _) in medians.items()}
    peaks = {name: Measured(name, peak) for name, (_, _, peak) in medians.items()}
    return times, peaks


def keeping_bytecode(folder: Path) -> dict[str, str]:
    """Where Python is told not to keep compiled modules, keep them for this run: compiling is not what is measured."""
    if not sys.dont_write_bytecode:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder)}


def _run(command: Sequence[str], environment: Mapping[str, str], stdin: bytes) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak bytes of one run."""
    answer = subprocess.run(
        [PYTHON, "-S", "-E", "-c", _LAUNCHER, *command],
        cwd=ROOT,
        env=dict(environment),
        input=stdin,
        capture_output=True,
        check=True,
    )
    exit_status, wall, cpu, peak = json.loads(answer.stdout)
    if exit_status:
        reason = answer.stderr.decode(errors="replace").strip()[-300:]
        raise RuntimeError(f"{' '.join(command)} ended with status {exit_status}: {reason}")
    return wall, cpu, peak
