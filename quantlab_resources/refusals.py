"""What a run left out because its input cannot be used, told to whoever started the run. Nobody listens by default.

One bad token must not stop the others, and must not pass unseen either: an asset goes on and tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was left out of one partition of an asset, and why; what was published of it before stays as it is."""

    asset: str
    partition: str | None
    subject: str
    reason: str


_gathered: ContextVar[list[Refusal] | None] = ContextVar("refusals", default=None)


@contextmanager
def gathering(refusals: list[Refusal]) -> Iterator[None]:
    """Within the block, every refusal in this process is added to ``refusals``."""
    token = _gathered.set(refusals)
    try:
        yield
    finally:
        _gathered.reset(token)


def report_refusal(refusal: Refusal) -> None:
    """Tell whoever gathers, if somebody does."""
    gathered = _gathered.get()
    if gathered is not None:
        gathered.append(refusal)
