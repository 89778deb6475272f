"""What a fault test needs to know about one way of writing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Step = Callable[[Path], None]


@dataclass(frozen=True)
class WritePath:
    """One way of writing into a lake, as steps that are each all or nothing.

    ``prepare(home)`` makes the lake that the steps start from. Every step can be repeated when it was done already.
    ``view(home)`` is what a reader sees, ``settled(view)`` the part of it that does not count how often a step was
    tried.
    ``flaws(home)`` says what is broken beyond that, and ``clean_up(home)`` clears what a crash left behind and says
    whether there was anything. ``careless`` does the same as the steps in a way that must be caught.
    """

    name: str
    prepare: Step
    steps: tuple[Step, ...]
    view: Callable[[Path], Any]
    settled: Callable[[Any], Any]
    flaws: Callable[[Path], list[str]]
    clean_up: Callable[[Path], bool]
    careless: Step
    cases: int = 18
    refused_cases: int = 12

    def act(self, home: Path) -> None:
        """Take all steps."""
        for step in self.steps:
            step(home)
