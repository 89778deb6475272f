"""Progress of long work, for whoever wants to show or count it. Nothing listens by default."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedUnit:
    """One asset's share of one partition (None: unpartitioned) was published: artifacts, and how many are new."""

    asset: str
    partition: str | None
    artifacts: int
    new: int


ProgressListener = Callable[[PublishedUnit], None]

_listener: ContextVar[ProgressListener | None] = ContextVar("progress_listener", default=None)


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Within the block, ``listener`` is told of everything that is published in this process."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_progress(unit: PublishedUnit) -> None:
    """Tell the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(unit)
