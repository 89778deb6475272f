"""A write path as it goes when nothing disturbs it, and what must hold when something does."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.faults.scenario import WritePath
from quantlab_tests.faults.traced_actor import TracedActor


@dataclass
class Undisturbed:
    """A prepared lake, kept to be copied, with everything that may be seen of it on the way to the end."""

    path: WritePath
    folder: Path
    actor: TracedActor

    @classmethod
    def prepared(cls, path: WritePath, folder: Path, actor: TracedActor) -> Undisturbed:
        """Make the lake that every case starts from."""
        path.prepare(folder / "prepared")
        return cls(path, folder, actor)

    def copy(self, name: str) -> Path:
        """The prepared lake at a place of its own."""
        return copied_lake(self.folder / "prepared", self.folder / name)

    @cached_property
    def views(self) -> list[Any]:
        """What a reader sees before the first step, and after each."""
        home = self.copy("stepwise")
        seen = [self.path.view(home)]
        for step in self.path.steps:
            step(home)
            seen.append(self.path.view(home))
        shutil.rmtree(home)
        return seen

    @cached_property
    def known_flaws(self) -> set[str]:
        """What is wrong with the prepared lake already, with paths below its home."""
        return set(self._flaws(self.folder / "prepared"))

    def calls(self, kind: str = "careful") -> list[str]:
        """The traced system calls of an undisturbed run. One that fails is an error of the test."""
        home = self.copy(f"complete-{kind}")
        outcome = self.actor.run(self.path.name, kind, home)
        if outcome.status != 0:
            pytest.fail(f"undisturbed {kind} {self.path.name} ended with {outcome.status}: {self.error_at(home)}")
        if kind != "careless":
            assert self.breaches(home) == []
            assert self.path.view(home) == self.views[-1]
        shutil.rmtree(home)
        return outcome.calls

    def breaches(self, home: Path) -> list[str]:
        """What is wrong with a lake that was disturbed: nothing may be half there, nothing acknowledged lost."""
        new_flaws = [flaw for flaw in self._flaws(home) if flaw not in self.known_flaws]
        seen = self.path.view(home)
        if seen not in self.views:
            new_flaws.append(f"half done: {_difference(self.views, seen)}")
        return new_flaws

    def is_healed(self, home: Path) -> str | None:
        """Repeat the steps and clean up; None when the lake is whole, clean and complete then, else what is not."""
        try:
            self.path.act(home)
            self.path.clean_up(home)
        except Exception as error:
            return f"repeating failed: {type(error).__name__}: {error}"
        if left := self.path.flaws(home):
            return f"flaws after repeating: {left}"
        end, wanted = self.path.settled(self.path.view(home)), self.path.settled(self.views[-1])
        if end != wanted:
            return f"repeating did not complete it: {_difference([wanted], end)}"
        if self.path.clean_up(home):
            return "cleaning up twice found something the second time"
        return None

    def error_at(self, home: Path) -> str:
        """The error of a process that acted at ``home`` and ended in an unexpected way."""
        report = Path(f"{home}.error")
        return report.read_text(encoding="utf-8") if report.exists() else "no report"

    def _flaws(self, home: Path) -> list[str]:
        return [flaw.replace(str(home), "<home>") for flaw in self.path.flaws(home)]


def _difference(expected: Sequence[Any], seen: Any) -> str:
    """The parts of what was seen that differ from the nearest expectation."""
    if not isinstance(seen, dict) or not all(isinstance(view, dict) for view in expected):
        return repr(seen)[:2000]
    differing = [
        {
            part: (seen.get(part), view.get(part))
            for part in seen.keys() | view.keys()
            if seen.get(part) != view.get(part)
        }
        for view in expected
    ]
    return "seen, expected: " + repr(min(differing, key=lambda parts: len(repr(parts))))[:2000]
