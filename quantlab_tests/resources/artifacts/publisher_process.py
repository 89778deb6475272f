"""A process that publishes on command, so that a test can kill it at any system call.

Started once per test session: for each line ``<careful|careless> <home>`` on stdin it forks a child, writes the child's
process id when the child has opened the manifest, waits for a line ``go`` (by then a tracer is attached), and writes
how the child ended. So every trace begins at the same system call, and has as many of them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pyarrow.parquet  # noqa: F401 - loaded before the forks, so that no child pays for it

from quantlab_core.errors import StorageError
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.parquet_files import sha256_of, to_parquet
from quantlab_resources.artifacts.files.stored_tables import prepare
from quantlab_resources.artifacts.manifest.manifest_transaction import NewArtifact, Publication
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request

PR_SET_PTRACER, ANY_PROCESS = 0x59616D61, ctypes.c_ulong(-1)
STORAGE_ERROR_STATUS = 7


def publish_carefully(store: ParquetArtifactStore) -> None:
    """Everything a run does: two outputs with a change of state, one of them in place of an older one."""
    store.publish_many(
        [free_request([2], key="of=a"), free_request([3], key="of=b")],
        transition=ExperimentTransition("e1", ExperimentStatus.RUNNING),
    )


def publish_carelessly(store: ParquetArtifactStore) -> None:
    """The negative control: the row first, then the file, in place and without fsync."""
    request = free_request([2], key="of=a")
    prepared = prepare(request)
    data = to_parquet(prepared.table, prepared.spec, request.logical_key)
    known = store.heads("outside")[0]
    artifact = type(known)(
        prepared.artifact_id, "outside", 1, "of=a", known.status, "outside/v1/new.parquet",
        "outside/v1/new.json", sha256_of(data), prepared.content_hash, 1, known.created_at,
    )  # fmt: skip
    with store.manifest.writing() as transaction:
        transaction.publish_all([(NewArtifact(artifact, len(data)), Publication(WRITER, None, {}, [], {}, "new"))])
    (store.paths.artifacts_root / artifact.path_parquet).write_bytes(data)
    (store.paths.artifacts_root / artifact.path_sidecar).write_bytes(b"{}")


def child(kind: str, home: Path, wait_for_go: int, say_ready: int) -> None:
    store = ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=SystemClock())
    store.is_available()
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANY_PROCESS, 0, 0, 0)
    os.write(say_ready, b"r")
    os.read(wait_for_go, 1)
    try:
        (publish_carefully if kind == "careful" else publish_carelessly)(store)
    except StorageError as error:
        os._exit(STORAGE_ERROR_STATUS if str(home) in str(error) and "\n" not in str(error) else 8)
    except BaseException:
        os._exit(9)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        kind, home = line.split(maxsplit=1)
        reader, writer = os.pipe()
        readiness, say_ready = os.pipe()
        process = os.fork()
        if process == 0:
            child(kind, Path(home.strip()), reader, say_ready)
        os.close(say_ready)
        os.read(readiness, 1)
        os.close(readiness)
        print(process, flush=True)
        sys.stdin.readline()
        os.write(writer, b"g")
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.close(reader)
        os.close(writer)
        print(status, flush=True)


if __name__ == "__main__":
    main()
