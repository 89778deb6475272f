"""Progress: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from rich.console import Console

from quantlab_cli.progress_bars import StageBars, StageLines, counted, stages_for_terminal
from quantlab_resources.progress import PublishedUnit

UNIT = PublishedUnit("alerts", "2025-05-01", artifacts=2, new=1)


def drawn(total: int, units: int, *, interrupted: bool) -> str:
    """What a terminal received of a stage of which ``units`` were reported."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with suppress(KeyboardInterrupt), StageBars(console).stage("Finding alerts [of all days]", total) as show:
        for _ in range(units):
            show(UNIT)
        if interrupted:
            raise KeyboardInterrupt
    return screen.getvalue()


def test_a_stage_that_ended_is_drawn_as_done() -> None:
    screen = drawn(3, 1, interrupted=False)
    assert "Finding alerts [of all days]" in screen
    assert "3/3" in screen


def test_a_stage_that_was_interrupted_does_not_claim_to_be_done() -> None:
    screen = drawn(3, 1, interrupted=True)
    assert "1/3" in screen
    assert "3/3" not in screen


def test_a_bar_never_counts_more_than_there_is() -> None:
    screen = drawn(3, 5, interrupted=True)
    assert "3/3" in screen
    assert "5/3" not in screen


def test_a_line_says_what_the_stage_published(capsys: pytest.CaptureFixture[str]) -> None:
    with StageLines().stage("Finding alerts", 3) as show:
        show(UNIT)
        show(UNIT)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Finding alerts: 4 artifacts, 2 new, ")


def test_without_a_terminal_there_are_lines_and_no_counters(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(stages_for_terminal(), StageLines)
    with counted("Verifying") as progress:
        progress(1, 2)
    assert capsys.readouterr().err == ""
