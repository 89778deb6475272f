"""Progress: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from quantlab_cli.progress_bars import StageBars, StageLines, counted, stages_for_terminal
from quantlab_resources.progress import PublishedUnit

UNIT = PublishedUnit("alerts", "2025-05-01", artifacts=2, new=1)


def test_a_bar_counts_its_units_and_never_more_than_there_are() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with StageBars(console).stage("Finding alerts [of all days]", 3) as show:
        for _ in range(5):
            show(UNIT)
    assert "Finding alerts [of all days]" in screen.getvalue()
    assert [count for count in ("0/3", "3/3", "4/3", "5/3") if count in screen.getvalue()] == ["0/3", "3/3"]


def test_a_bar_that_was_interrupted_does_not_claim_to_be_done() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)

    def interrupted_stage() -> None:
        with StageBars(console).stage("Finding alerts", 3) as show:
            show(UNIT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_stage()
    assert "3/3" not in screen.getvalue()
    assert "1/3" in screen.getvalue()


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
