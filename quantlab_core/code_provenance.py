"""Port of code provenance: which code made a result, and in which surroundings it ran."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """Commit of the running code, or ``unknown`` outside a repository, and whether its tree had changes."""

    git_commit: str
    git_dirty: bool


@dataclass(frozen=True, slots=True)
class CodePatch:
    """What the running code has beyond its commit, in the form that ``git apply`` reads."""

    text: bytes

    @property
    def sha256(self) -> str:
        """64 hex digits: equal where the same commit was changed in the same way."""
        return hashlib.sha256(self.text).hexdigest()


@dataclass(frozen=True, slots=True)
class EnvironmentIdentity:
    """The Python that runs, and what is installed in it. Hashes are SHA-256, 64 hex digits.

    ``lock_hash`` is that of ``requirements.lock``, None where there is none beside the code; ``distributions_hash`` is
    over the sorted ``name==version`` lines of all installed distributions.
    """

    python_version: str
    platform: str
    lock_hash: str | None
    distributions_hash: str


@dataclass(frozen=True, slots=True)
class DeterminismSettings:
    """What could make two runs differ and does not, recorded so that a difference can be looked for.

    ``float_mode`` is the format of floats and how they are rounded, ``byte_order`` that of the machine, ``hash_seed``
    what ``PYTHONHASHSEED`` says (random: nothing), ``cpu_count`` the processors that the machine has, and ``threads``
    the limits that the environment sets to libraries, by variable.
    """

    float_mode: str
    byte_order: str
    hash_seed: str
    cpu_count: int
    threads: Mapping[str, str] = field(default_factory=dict)


class CodeProvenance(Protocol):
    """Tells the version of the running code, and what it runs in."""

    def code_version(self) -> CodeVersion:
        """The commit and whether the tree is dirty."""
        ...

    def code_patch(self) -> CodePatch | None:
        """What the tree has beyond the commit; None where that is nothing, or cannot be known."""
        ...

    def environment(self) -> EnvironmentIdentity:
        """The Python and what is installed in it."""
        ...

    def determinism(self) -> DeterminismSettings:
        """Settings that no result may depend on."""
        ...
