"""What names a strategy file, and what may stand in one, is the same for commands and for files of sweeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_assets.workflows.create_sweep import read_sweep_file
from quantlab_core.errors import NotFoundError, StrategyError
from quantlab_resources.strategies.strategy_file import MAX_STRATEGY_BYTES, is_strategy_file, read_strategy_file


@pytest.mark.parametrize(
    ("text", "is_file"),
    [
        ("dip.yaml", True),
        ("DIP.YML", True),
        ("dip.json", True),
        ("./dip", True),
        ("tight_stop", False),
        ("v1.2", False),
    ],
)
def test_a_suffix_or_a_slash_makes_a_name_that_of_a_file(text: str, is_file: bool) -> None:
    assert is_strategy_file(text) is is_file


def test_a_file_too_large_for_a_strategy_is_refused_wherever_it_is_named(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text("max_hold_min: 60\n#" + "x" * MAX_STRATEGY_BYTES)
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("name: large\nstrategy: large.yaml\ngrid: {stop_loss: [0.2]}\n")
    for read in (lambda: read_strategy_file(large), lambda: read_sweep_file(sweep)):
        with pytest.raises(StrategyError, match=r"large\.yaml: .* bytes is no strategy"):
            read()


def test_a_strategy_file_is_looked_for_beside_the_sweep_that_names_it(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("name: beside\nstrategy: ./dip.yaml\ngrid: {stop_loss: [0.2]}\n")
    with pytest.raises(NotFoundError, match=r"strategy file not found: .*dip\.yaml"):
        read_sweep_file(sweep)
    (tmp_path / "dip.yaml").write_text("max_hold_min: 60\n")
    assert read_sweep_file(sweep).strategy == {"max_hold_min": 60}
