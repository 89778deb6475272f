"""Which commit of quantlab is running, asked from git once per process."""

from __future__ import annotations

import subprocess
from functools import cached_property
from pathlib import Path

from quantlab_core.code_provenance import CodeVersion

UNKNOWN = CodeVersion(git_commit="unknown", git_dirty=False)
_TIMEOUT_S = 10


class GitCodeProvenance:
    """`quantlab_core.code_provenance.CodeProvenance` of the repository that holds ``folder`` (default: this one)."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(__file__).resolve().parent

    def code_version(self) -> CodeVersion:
        """The commit and whether tracked or new files differ from it; `UNKNOWN` outside git or without git."""
        return self._code_version

    @cached_property
    def _code_version(self) -> CodeVersion:
        commit = self._git("rev-parse", "--verify", "HEAD")
        # An installed package inside somebody else's repository is not that repository's code.
        if commit is None or self._git("ls-files", "--error-unmatch", ".") is None:
            return UNKNOWN
        changes = self._git("status", "--porcelain")
        return CodeVersion(git_commit=commit, git_dirty=changes is None or changes != "")

    def _git(self, *arguments: str) -> str | None:
        try:
            answer = subprocess.run(  # noqa: S603 - fixed arguments, no shell
                ["git", "-C", str(self._folder), *arguments],  # noqa: S607 - the user's own git
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None
