"""Several files at once: one bad file never stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from quantlab_core.errors import QuantlabError

Report = TypeVar("Report")


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file of which nothing was stored, and why."""

    path: Path
    error: QuantlabError


@dataclass(frozen=True, slots=True)
class Intake(Generic[Report]):
    """What came in, one report per file, and what was refused."""

    accepted: list[Report]
    refused: list[RefusedFile]


def take_in(paths: Iterable[Path], check: Callable[[Path], object], store: Callable[[Path], Report]) -> Intake[Report]:
    """Check each file and store those that pass. What `store` raises is no matter of one file and ends the intake."""
    accepted: list[Report] = []
    refused: list[RefusedFile] = []
    for path in paths:
        try:
            check(path)
        except QuantlabError as error:
            refused.append(RefusedFile(path, error))
        else:
            accepted.append(store(path))
    return Intake(accepted, refused)
