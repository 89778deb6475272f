"""Strategies of a lake by name, by id and by content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quantlab_core.errors import InvalidInputError, StrategyError
from quantlab_core.simulation.presets import PRESETS, preset
from quantlab_core.simulation.strategy import Strategy, parse_strategy
from quantlab_resources.artifacts.upkeep.staleness import stale
from quantlab_resources.lab import Lab
from quantlab_resources.strategies.known_strategies import (
    find_strategy,
    known_strategies,
    publish_strategy,
    require_named,
)
from quantlab_tests.resources.experiments.experiment_lake import ExperimentLake

HOUR = parse_strategy({"name": "an hour", "max_hold_min": 60})


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "lake")
    made.make_lake()
    return made


def published(lab: Lab, strategy: Strategy) -> str:
    return publish_strategy(lab.artifacts, strategy, lab.code_provenance)[0].artifact_id


def test_presets_are_there_before_anything_was_published(lab: Lab) -> None:
    assert [known.strategy.name for known in known_strategies(lab.artifacts)] == list(PRESETS)
    found = find_strategy(lab.artifacts, "momentum")
    assert (found.strategy, found.artifact, found.is_preset) == (preset("momentum"), None, True)


def test_publishing_the_same_again_changes_nothing(lab: Lab) -> None:
    first, is_new = publish_strategy(lab.artifacts, HOUR, lab.code_provenance)
    sequence = lab.artifacts.last_sequence()
    again, is_new_again = publish_strategy(lab.artifacts, HOUR, lab.code_provenance)
    assert (is_new, is_new_again) == (True, False)
    assert again == first
    assert lab.artifacts.last_sequence() == sequence


def test_a_name_means_what_was_published_last_and_an_id_what_it_meant(lab: Lab) -> None:
    old = published(lab, HOUR)
    new = published(lab, replace(HOUR, max_hold_min=120))
    assert find_strategy(lab.artifacts, "an hour").strategy.max_hold_min == 120
    assert find_strategy(lab.artifacts, new).strategy.max_hold_min == 120
    assert find_strategy(lab.artifacts, old).strategy == HOUR
    assert [known.strategy.max_hold_min for known in known_strategies(lab.artifacts)[len(PRESETS) :]] == [120]


def test_the_content_does_not_depend_on_the_lake(lab: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    other.make_lake()
    assert published(lab, HOUR) == published(other, HOUR)


def test_the_name_of_a_preset_is_the_presets(lab: Lab) -> None:
    with pytest.raises(StrategyError, match="name momentum is that of a preset"):
        published(lab, replace(HOUR, name="momentum"))
    reworded = published(lab, replace(preset("momentum"), description="in other words"))
    assert find_strategy(lab.artifacts, reworded).strategy == preset("momentum")
    assert find_strategy(lab.artifacts, "momentum").artifact is not None


def test_what_is_no_strategy_is_refused(lab: Lab) -> None:
    published(lab, replace(HOUR, name="hour"))
    with pytest.raises(StrategyError, match=r"no strategy 'houer'; did you mean 'hour'\?"):
        find_strategy(lab.artifacts, "houer")
    with pytest.raises(InvalidInputError, match="name is missing"):
        require_named(replace(HOUR, name=None))


def test_a_withdrawn_strategy_is_refused_by_id_and_gone_by_name(lab: Lab) -> None:
    old = published(lab, HOUR)
    lab.artifacts.tombstone(old, reason="wrong")
    with pytest.raises(StrategyError, match=f"strategy {old} .* was withdrawn"):
        find_strategy(lab.artifacts, old)
    with pytest.raises(StrategyError, match="no strategy 'an hour'"):
        find_strategy(lab.artifacts, "an hour")


def test_a_new_strategy_of_the_name_makes_no_experiment_stale_and_a_withdrawn_one_does(lab: Lab) -> None:
    lake = ExperimentLake(lab.artifacts, lab.experiments)
    old = published(lab, HOUR)
    lab.experiments.create(replace(lake.definition("pinned"), strategy_id=old))
    published(lab, replace(HOUR, max_hold_min=120))
    assert stale(lab.artifacts).experiments == ()
    lab.artifacts.tombstone(old, reason="wrong")
    assert [found.experiment_id for found in stale(lab.artifacts).experiments] == ["pinned"]
