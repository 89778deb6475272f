"""Port of code provenance: which code made a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """Commit of the running code, or ``unknown`` outside a repository, and whether its tree had changes."""

    git_commit: str
    git_dirty: bool


class CodeProvenance(Protocol):
    """Tells the version of the running code."""

    def code_version(self) -> CodeVersion:
        """The commit and whether the tree is dirty."""
        ...
