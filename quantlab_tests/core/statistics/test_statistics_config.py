"""The ``statistics`` block: forms that are accepted, refusals that name the key, and identities that stay."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment import DateRange, ExperimentConfig
from quantlab_core.experiments.experiment_identity import definition_hash
from quantlab_core.statistics.statistics_config import StatisticsConfig, parse_statistics, statistics_mapping
from quantlab_core.statistics.time_folds import Split, TimeFolds, TrainTest, WalkForward

SPLITS: list[tuple[dict[str, Any], Split]] = [
    ({"kind": "train_test", "train_share": 0.7}, TrainTest(train_share=0.7)),
    ({"kind": "train_test", "test_from": "2025-05-20"}, TrainTest(test_from=date(2025, 5, 20))),
    ({"kind": "walk_forward", "train_days": 30, "test_days": 7, "window": "anchored"}, WalkForward(30, 7, "anchored")),
    ({"kind": "folds", "folds": 5}, TimeFolds(5)),
]


@pytest.mark.parametrize(("block", "split"), SPLITS)
def test_every_split_survives_the_way_to_its_mapping_and_back(block: dict[str, Any], split: Split) -> None:
    config = parse_statistics({"split": {**block, "embargo_h": 12}, "bootstrap": {"samples": 500, "level": 0.9}})
    assert config == StatisticsConfig(500, 0.9, split, 12.0)
    assert statistics_mapping(config) == {
        "bootstrap": {"samples": 500, "level": 0.9},
        "split": {**block, "embargo_h": 12.0},
    }
    assert parse_statistics(statistics_mapping(config)) == config


def test_an_empty_block_asks_for_the_defaults() -> None:
    assert parse_statistics({}) == StatisticsConfig() == parse_statistics(statistics_mapping(StatisticsConfig()))
    assert statistics_mapping(StatisticsConfig()) == {"bootstrap": {"samples": 1_000, "level": 0.95}}


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"bootstrp": {}}, "statistics: unknown key 'bootstrp'; did you mean 'bootstrap'?"),
        ({"bootstrap": {"sample": 5}}, "statistics bootstrap: unknown key 'sample'; did you mean 'samples'?"),
        ({"bootstrap": {"samples": 50}}, "samples must be 0 (no intervals) or at least 100, got 50"),
        ({"bootstrap": {"samples": 10**6}}, "samples must be from 0 to 100000"),
        ({"bootstrap": {"level": 1}}, "level must be at least 0.5 and below 1"),
        ({"split": {}}, "statistics split: kind is required: one of train_test, walk_forward, folds"),
        ({"split": {"kind": "kfold"}}, "kind must be one of train_test, walk_forward, folds"),
        ({"split": {"kind": "folds", "train_days": 3}}, "train_days is no part of a folds split; it takes folds"),
        ({"split": {"kind": "folds"}}, "folds is required"),
        ({"split": {"kind": "folds", "folds": 1}}, "folds must be from 2 to 100"),
        ({"split": {"kind": "walk_forward", "train_days": 3}}, "test_days is required: whole days"),
        ({"split": {"kind": "walk_forward", "train_days": 3, "test_days": 1, "window": "x"}}, "window must be one of"),
        ({"split": {"kind": "train_test"}}, "train_share or test_from is needed, and only one of them"),
        ({"split": {"kind": "train_test", "train_share": 1}}, "train_share must be above 0 and below 1"),
        ({"split": {"kind": "train_test", "test_from": "May"}}, "test_from must be a date like 2025-05-01, got 'May'"),
        ({"split": {"kind": "folds", "folds": 2, "embargo_h": -1}}, "embargo_h must be at least 0"),
        ({"split": 3}, "statistics split: expected a mapping"),
    ],
)
def test_statistics_that_cannot_be_meant_are_refused(block: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_statistics(block)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def identity(**params: Any) -> str:
    config = ExperimentConfig({"max_hold_min": 60}, DateRange(None, None), params)
    return definition_hash(
        alert_set_content_hash="a" * 64, candle_set_content_hash="c" * 64, config=config, engine_version="1.0.0"
    )


def test_an_experiment_without_statistics_keeps_its_identity_and_defaults_have_one() -> None:
    # frozen: the hash of this experiment before the block existed
    assert identity() == IDENTITY_BEFORE
    assert identity(statistics=None) == identity()
    assert identity(statistics={}) != identity()
    assert identity(statistics={}) == identity(statistics={"bootstrap": {"samples": 1_000, "level": 0.95}})
    assert identity(statistics={"bootstrap": {"level": 0.9}}) != identity(statistics={})


IDENTITY_BEFORE = "c7c703573677c4ab206baadef6e27491b7e2eef9ef3e874347e63ea3137864e2"
