"""Progress of long work on stderr: bars on a terminal, one line per finished stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from quantlab_resources.progress import ProgressListener, PublishedUnit

if TYPE_CHECKING:
    from quantlab_assets.workflows.lake_runs import StageListener

TITLE_WIDTH = 34


class StageBars:
    """One bar per stage: how many of its units are done, and for how long it has been at work."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, title: str, total: int | None) -> Iterator[ProgressListener]:
        """Show the stage's bar; it stays when the stage is done."""
        with _bar(self._console) as progress:
            task = progress.add_task(_fitted(title), total=total)

            def show(_unit: PublishedUnit) -> None:
                # A partition of several assets counts as one unit but reports each: never beyond the total.
                if total is None or progress.tasks[task].completed < total:
                    progress.advance(task)

            yield show
            progress.update(task, total=total or 1, completed=total or 1)


class StageLines:
    """One line of text per finished stage, for logs."""

    @contextmanager
    def stage(self, title: str, total: int | None) -> Iterator[ProgressListener]:
        """Write what the stage did when it is done."""
        published = new = 0
        began = time.monotonic()

        def count(unit: PublishedUnit) -> None:
            nonlocal published, new
            published += unit.artifacts
            new += unit.new

        yield count
        print(f"{title}: {published} artifacts, {new} new, {time.monotonic() - began:.1f} s", file=sys.stderr)


def stages_for_terminal() -> StageListener:
    """Bars if stderr is a terminal, else lines."""
    return StageBars(Console(stderr=True, highlight=False)) if sys.stderr.isatty() else StageLines()


@contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that itself says (done, total); nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with _bar(Console(stderr=True, highlight=False)) as progress:
        task = progress.add_task(_fitted(title), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _bar(console: Console) -> AbstractContextManager[Progress]:
    return Progress(
        TextColumn(f"{{task.description:<{TITLE_WIDTH}}}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _fitted(title: str) -> str:
    return title if len(title) <= TITLE_WIDTH else title[: TITLE_WIDTH - 1] + "…"
