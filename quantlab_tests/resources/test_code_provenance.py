"""Which commit made a result."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from quantlab_core.code_provenance import CodePatch
from quantlab_resources.clock import SystemClock
from quantlab_resources.code_provenance import UNKNOWN, GitCodeProvenance
from quantlab_resources.running_environment import THREAD_LIMITS, distributions_hash


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


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a committed module of a package, a lock file and notes."""
    root = tmp_path / "checkout"
    (root / "quantlab_core").mkdir(parents=True)
    (root / "quantlab_core" / "code.py").write_text("x = 1\n")
    (root / "requirements.lock").write_text("numpy==2\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def patch_of(root: Path) -> CodePatch | None:
    return GitCodeProvenance(root / "quantlab_core").code_patch()


def test_a_clean_tree_has_no_patch(repository: Path) -> None:
    assert patch_of(repository) is None


def test_the_patch_makes_the_same_tree_of_the_commit(repository: Path, tmp_path: Path) -> None:
    (repository / "quantlab_core" / "code.py").write_text("x = 2\n")
    (repository / "quantlab_core" / "naïve new.py").write_bytes(b"\x00\xffbinary")
    patch = patch_of(repository)
    assert patch is not None
    fresh = tmp_path / "fresh"
    git(tmp_path, "clone", "-q", str(repository), str(fresh))
    (tmp_path / "kept.patch").write_bytes(patch.text)
    git(fresh, "apply", "--binary", str(tmp_path / "kept.patch"))
    assert (fresh / "quantlab_core" / "code.py").read_text() == "x = 2\n"
    assert (fresh / "quantlab_core" / "naïve new.py").read_bytes() == b"\x00\xffbinary"
    assert patch_of(fresh) == patch, "the same changes to the same commit are the same bytes"


def test_the_patch_does_not_depend_on_what_is_staged_or_configured(repository: Path) -> None:
    (repository / "quantlab_core" / "code.py").write_text("x = 2\n")
    (repository / "quantlab_core" / "new.py").write_text("y = 1\n")
    before = patch_of(repository)
    git(repository, "add", ".")
    for setting in ("diff.noprefix=true", "diff.algorithm=patience", "diff.context=9", "color.ui=always"):
        git(repository, "config", *setting.split("="))
    status = git(repository, "status", "--porcelain")
    assert patch_of(repository) == before is not None
    assert git(repository, "status", "--porcelain") == status, "the user's index stays as it is"


def test_files_that_are_no_code_are_left_out(repository: Path) -> None:
    (repository / "result.json").write_text("somebody's export")
    (repository / ".gitignore").write_text("ignored.py\n")
    (repository / "quantlab_core" / "ignored.py").write_text("z = 1\n")
    assert GitCodeProvenance(repository / "quantlab_core").code_version().git_dirty
    assert patch_of(repository) is None


def test_other_changes_have_another_hash(repository: Path) -> None:
    hashes = set()
    for number in (2, 3):
        (repository / "quantlab_core" / "code.py").write_text(f"x = {number}\n")
        patch = patch_of(repository)
        assert patch is not None
        hashes.add(patch.sha256)
    assert len(hashes) == 2


def test_the_environment_is_known_by_python_lock_file_and_distributions(repository: Path) -> None:
    found = GitCodeProvenance(repository / "quantlab_core").environment()
    assert found.python_version == platform.python_version()
    assert found.lock_hash == hashlib.sha256(b"numpy==2\n").hexdigest()
    (repository / "requirements.lock").unlink()
    without = GitCodeProvenance(repository / "quantlab_core").environment()
    assert without == replace(found, lock_hash=None)


def test_distributions_are_hashed_by_name_and_version_in_any_order(tmp_path: Path) -> None:
    for folder, names in (("a", ("one_two", "three")), ("b", ("three", "One.Two")), ("c", ("one_two",))):
        for name in names:
            info = tmp_path / folder / f"{name}-1.0.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    a, b, c = (distributions_hash((str(tmp_path / folder),)) for folder in "abc")
    assert a == b != c
    assert a == hashlib.sha256(b"one-two==1.0\nthree==1.0\n").hexdigest()


def test_settings_say_how_floats_are_rounded_and_which_threads_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    found = GitCodeProvenance().determinism()
    assert (found.float_mode, found.hash_seed, found.threads) == (
        "binary64, to nearest",
        "7",
        {"OMP_NUM_THREADS": "1"},
    )
