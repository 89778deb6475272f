"""A process that writes on command, so that a test can kill it, stop it or refuse it at any system call.

Started once per test module: for each line ``<write path> <kind> <home>`` on stdin it forks a child, writes the child's
process id when that is ready, waits for a line ``go`` (by then a tracer is attached), and writes how the child ended.
What an unexpected error said is in ``<home>.error``.

The kinds are ``careful``, ``careless``, and ``accompanied``: careful, while a reader has the manifest open, so that no
connection is the last one, which would tidy up under a lock that keeps everybody out.
"""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from pathlib import Path

import pyarrow.parquet  # noqa: F401 - loaded before the forks, so that no child pays for it

from quantlab_core.errors import StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_tests.faults.lake_view import store_at
from quantlab_tests.faults.write_paths import WRITE_PATHS

PR_SET_PTRACER, ANY_PROCESS = 0x59616D61, ctypes.c_ulong(-1)
readers: list[ParquetArtifactStore] = []
REFUSED, UNCLEAR_REFUSAL, OTHER_ERROR, READS_FAILED = 7, 8, 9, 10


def child(name: str, kind: str, home: Path, ready: int, go: int) -> int:
    """Act, and give the exit status; after a refusal everything that was published must still be readable."""
    path = WRITE_PATHS[name]
    if kind == "accompanied":
        readers.append(store_at(home))
        readers[0].is_available()
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANY_PROCESS, 0, 0, 0)
    os.write(ready, b"r")
    os.read(go, 1)
    try:
        (path.careless if kind == "careless" else path.act)(home)
    except StorageError as error:
        if str(home) not in str(error) or "\n" in str(error):
            return explained(home, UNCLEAR_REFUSAL)
        try:
            path.view(home)
        except BaseException:
            return explained(home, READS_FAILED)
        return REFUSED
    except BaseException:
        return explained(home, OTHER_ERROR)
    return 0


def explained(home: Path, status: int) -> int:
    Path(f"{home}.error").write_text(traceback.format_exc(), encoding="utf-8")
    return status


def main() -> None:
    for line in sys.stdin:
        name, kind, home = line.rstrip("\n").split(" ", maxsplit=2)
        is_ready, ready = os.pipe()
        go, say_go = os.pipe()
        process = os.fork()
        if process == 0:
            os._exit(child(name, kind, Path(home), ready, go))
        os.read(is_ready, 1)
        print(process, flush=True)
        sys.stdin.readline()
        os.write(say_go, b"g")
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        for descriptor in (is_ready, ready, go, say_go):
            os.close(descriptor)
        print(status, flush=True)


if __name__ == "__main__":
    main()
