"""A look at all event files before anything is rebuilt from them: which are there, which are missing or damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quantlab_core.errors import ConflictError, IntegrityError, StorageError
from quantlab_resources.artifacts.changes.losses import declared_losses
from quantlab_resources.artifacts.changes.manifest_changes import REPLAYS
from quantlab_resources.artifacts.events.event_files import event_path, last_event_number, read_event

MISSING, DAMAGED = "missing", "damaged"


@dataclass(frozen=True, slots=True)
class LostEvents:
    """Events ``first`` to ``last`` that cannot be read, and why: missing or damaged."""

    first: int
    last: int
    why: str

    def __str__(self) -> str:
        numbers = f"event {self.first}" if self.first == self.last else f"events {self.first} to {self.last}"
        return f"{numbers} {self.why}"


@dataclass(frozen=True, slots=True)
class EventSurvey:
    """``last`` is the highest number there is or was. ``lost`` events cannot be read; ``accepted`` are those, as
    (first, last) in order, that an earlier rebuild went on without."""

    last: int
    lost: tuple[LostEvents, ...]
    accepted: tuple[tuple[int, int], ...]

    def replayable(self, up_to: int) -> Iterator[int]:
        """The numbers of the events that are to be replayed, ascending."""
        gaps = sorted([*self.accepted, *((gap.first, gap.last) for gap in self.lost)])
        start = 1
        for first, last in gaps:
            yield from range(start, min(first, up_to + 1))
            start = max(start, last + 1)
        yield from range(start, up_to + 1)


def survey_events(folder: Path, known_last: int, progress: Callable[[int, int], None]) -> EventSurvey:
    """Read every event file, one at a time; ``known_last`` is a number up to which there must be some.

    Raises StorageError when the disk refuses, ConflictError for a kind of change that this quantlab does not know.
    """
    last = max(last_event_number(folder), known_last)
    unreadable: list[LostEvents] = []
    declared: list[tuple[int, int]] = []
    for seq in range(1, last + 1):
        why = _trouble_with(folder, seq, declared)
        if why is not None:
            if unreadable and unreadable[-1].last == seq - 1 and unreadable[-1].why == why:
                unreadable[-1] = LostEvents(unreadable[-1].first, seq, why)
            else:
                unreadable.append(LostEvents(seq, seq, why))
        progress(seq, 2 * last)
    lost = tuple(part for gap in unreadable for part in _without(gap, declared))
    return EventSurvey(last, lost, tuple(sorted(declared)))


def _trouble_with(folder: Path, seq: int, declared: list[tuple[int, int]]) -> str | None:
    """Why the event cannot be replayed, or None; adds the losses that it declares."""
    try:
        event = read_event(folder, seq)
    except IntegrityError:
        return DAMAGED
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return MISSING
        raise
    unknown = [change["kind"] for change in event.changes if change["kind"] not in REPLAYS]
    if unknown:
        raise ConflictError(
            f"{event_path(folder, seq)} holds a change {unknown[0]!r} of a newer quantlab; nothing was changed, update"
            " quantlab"
        )
    declared.extend(declared_losses(event.changes))
    return None


def _without(gap: LostEvents, declared: list[tuple[int, int]]) -> Iterator[LostEvents]:
    """The parts of the gap that no declaration covers."""
    first = gap.first
    for start, end in sorted(declared):
        if end < first or start > gap.last:
            continue
        if start > first:
            yield LostEvents(first, start - 1, gap.why)
        first = max(first, end + 1)
    if first <= gap.last:
        yield LostEvents(first, gap.last, gap.why)
