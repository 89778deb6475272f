"""Which commit made a result."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC
from pathlib import Path

import pytest

from quantlab_resources.clock import SystemClock
from quantlab_resources.code_provenance import UNKNOWN, GitCodeProvenance


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_told_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    clean = GitCodeProvenance(tmp_path).code_version()
    assert (clean.git_commit, clean.git_dirty) == (git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / "code.py").write_text("2")
    assert GitCodeProvenance(tmp_path).code_version().git_dirty


def test_outside_a_repository_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert GitCodeProvenance(tmp_path).code_version() == UNKNOWN
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GitCodeProvenance().code_version() == UNKNOWN


def test_the_clock_tells_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
