"""Callers of the JSON operations: they start the script as a program of another language would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantlab_cli.artifact_operations import answer

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "quantlab_cli" / "artifact_store_ops.py"
SECRET = "correct-horse-battery-staple"  # noqa: S105 - stands in the environment of every call, and in no answer


@dataclass(frozen=True)
class Answer:
    """What one call wrote and how it ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def result(self) -> Any:
        """The result of a call that succeeded."""
        assert self.status == 0, self.stderr
        assert self.stdout.isascii()
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a call that failed, after checking that it failed as callers expect."""
        assert self.status == 1, self
        assert self.stdout == ""
        assert self.stderr.isascii()
        error = json.loads(self.stderr)
        assert set(error) == {"error", "type", "operation"}
        assert error["error"]
        assert "\n" not in error["error"]
        assert SECRET not in self.stderr
        assert "Traceback" not in self.stderr
        return dict(error)


def call(
    request: Any,
    *,
    command: Sequence[str | Path] = (sys.executable, SCRIPT),
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to a request: an object, or the bytes that go to stdin."""
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    done = subprocess.run(
        [str(part) for part in command],
        input=data,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "QUANTLAB_API_KEY": SECRET, **(environment or {})},
        check=False,
        timeout=240,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass(frozen=True)
class Client:
    """The client of the requirement: it names the manifest in every request, and sends what that client sends."""

    manifest_db: Path
    artifacts_root: Path

    @classmethod
    def of(cls, home: Path) -> Client:
        """The client of the lake at ``home``."""
        return cls(home / "manifest" / "manifest.sqlite", home / "artifacts")

    def call(self, operation: str, **fields: Any) -> Answer:
        """The answer to one operation."""
        return call({"operation": operation, "manifest_db": str(self.manifest_db), **fields})

    def publication(self, data: Path, **fields: Any) -> dict[str, Any]:
        """The request that publishes ``data``."""
        request = {
            "operation": "publish_artifact",
            "manifest_db": str(self.manifest_db),
            "manifest_sql": "/nowhere/artifact_store/sql/manifest_v1.sql",
            "artifacts_root": str(self.artifacts_root),
            "artifact_type": "test_artifact",
            "schema_version": 1,
            "logical_key": "test/key",
            "data_path": str(data),
            "tags": {},
            "input_artifact_ids": [],
            "writer_name": "test",
            "writer_version": "1.0.0",
            "git_commit": "test-commit",
            "git_dirty": False,
            "params": {},
        }
        return request | fields

    def publish(self, data: Path, **fields: Any) -> Any:
        """The result of publishing ``data``, in this process: for tests that are about something else."""
        return answer(self.publication(data, **fields))
