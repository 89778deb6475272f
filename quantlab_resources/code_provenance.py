"""Which commit of quantlab is running and what it has beyond it, asked from git once per process."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from quantlab_core.code_provenance import CodePatch, CodeVersion, DeterminismSettings, EnvironmentIdentity
from quantlab_resources.running_environment import determinism_settings, environment_identity

UNKNOWN = CodeVersion(git_commit="unknown", git_dirty=False)
PACKAGES = "quantlab_*"
"""Folders at the root of the repository whose new files are code of the project."""

_TIMEOUT_S = 30
_CANONICAL = (
    "core.quotePath=true",
    "core.fsmonitor=false",
    "diff.algorithm=myers",
    "diff.indentHeuristic=true",
    "diff.interHunkContext=0",
    "diff.suppressBlankEmpty=false",
)
_DIFF = (
    "diff", "-O/dev/null", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
    "--unified=3", "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=none", "--submodule=short", "HEAD", "--",
)  # fmt: skip


class GitCodeProvenance:
    """`quantlab_core.code_provenance.CodeProvenance` of the repository that holds ``folder`` (default: this one)."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(__file__).resolve().parent

    def code_version(self) -> CodeVersion:
        """The commit and whether tracked or new files differ from it; `UNKNOWN` outside git or without git."""
        return self._code_version

    def code_patch(self) -> CodePatch | None:
        """What tracked files, and new files of the project's packages, have beyond the commit, as one patch.

        It does not depend on what is staged or on the user's configuration of git: the same changes to the same commit
        are the same bytes. New files elsewhere are left out: an export that lies about is no code. None for a clean
        tree, where only such files are new, and where git cannot say.
        """
        return self._code_patch

    def environment(self) -> EnvironmentIdentity:
        """The running Python, what is installed in it, and the lock file of this repository."""
        root = self._root
        return environment_identity(None if root is None else root / "requirements.lock")

    def determinism(self) -> DeterminismSettings:
        """Settings of this process and machine."""
        return determinism_settings()

    @cached_property
    def _code_version(self) -> CodeVersion:
        commit = self._git("rev-parse", "--verify", "HEAD")
        # An installed package inside somebody else's repository is not that repository's code.
        if commit is None or self._git("ls-files", "--error-unmatch", ".") is None:
            return UNKNOWN
        changes = self._git("status", "--porcelain")
        return CodeVersion(git_commit=commit.decode(), git_dirty=changes is None or changes != b"")

    @cached_property
    def _root(self) -> Path | None:
        if self._code_version == UNKNOWN:
            return None
        root = self._git("rev-parse", "--show-toplevel")
        return None if root is None else Path(os.fsdecode(root))

    @cached_property
    def _code_patch(self) -> CodePatch | None:
        if self._root is None or not self._code_version.git_dirty:
            return None
        # An index of its own, filled from the commit: what is staged does not matter, and the user's stays as it is.
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if self._git("read-tree", "HEAD", environment=index) is None:
                return None
            packages = f":(top,glob){PACKAGES}/**"
            new = self._git("ls-files", "--others", "--exclude-standard", "-z", "--", packages, environment=index)
            if new:
                names = Path(folder) / "names"
                names.write_bytes(new)
                listed = (f"--pathspec-from-file={names}", "--pathspec-file-nul")
                if self._git("--literal-pathspecs", "add", "--intent-to-add", *listed, environment=index) is None:
                    return None
            text = self._git(*_DIFF, environment=index, is_text=False)
        return CodePatch(text) if text else None

    def _git(self, *arguments: str, environment: Mapping[str, str] | None = None, is_text: bool = True) -> bytes | None:
        """What git answers, without the white space around it where it is text; None where it refuses."""
        settings = [part for setting in _CANONICAL for part in ("-c", setting)]
        folder = self._folder if environment is None else self._root or self._folder
        try:
            answer = subprocess.run(  # noqa: S603 - fixed arguments, no shell
                ["git", "-C", str(folder), *settings, *arguments],  # noqa: S607 - the user's own git
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env={**os.environ, "LC_ALL": "C", **(environment or {})},
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if answer.returncode:
            return None
        return answer.stdout.strip() if is_text else answer.stdout
