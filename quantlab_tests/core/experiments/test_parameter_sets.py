"""The sets of a sweep: a grid is the product of its values, ids hang on meaning alone, order leaves no trace."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment_params import params_mapping, parse_params
from quantlab_core.experiments.parameter_sets import ParameterSets, param_id_of, parameter_sets
from quantlab_core.experiments.sweep_config import MOST_SETS, parse_sweep, sweep_mapping
from quantlab_core.simulation.strategy import Strategy, parse_strategy, strategy_mapping

BASE = parse_strategy({"name": "base", "stop_loss": 0.2, "max_hold_min": 60, "slippage": 0.005})


def sets_of(base: Strategy = BASE, **sweep: Any) -> ParameterSets:
    return parameter_sets(base, parse_sweep(sweep))


def ids(found: ParameterSets) -> list[str]:
    return [one.param_id for one in found.sets]


fractions = st.lists(st.sampled_from([0.1, 0.15, 0.2, 0.3, 0.45]), min_size=1, max_size=4, unique=True)
GRIDS = st.fixed_dictionaries(
    {"stop_loss": fractions, "trailing_stop": fractions},
    optional={"max_hold_min": st.lists(st.sampled_from([30, 60, 120]), min_size=1, max_size=3, unique=True)},
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(grid=GRIDS, seed=st.integers(0, 99))
def test_a_grid_is_the_product_of_its_values_in_any_order(grid: dict[str, Any], seed: int) -> None:
    found = sets_of(grid=grid)
    wanted = {
        (stop, trail, hold)
        for stop in grid["stop_loss"]
        for trail in grid["trailing_stop"]
        for hold in grid.get("max_hold_min", [60])
    }
    made = [(one.strategy.stop_loss, one.strategy.trailing_stop, one.strategy.max_hold_min) for one in found.sets]
    assert len(made) == len(wanted)
    assert set(made) == wanted
    assert ids(found) == sorted(set(ids(found)))
    mixed = {key: random.Random(seed).sample(values, len(values)) for key, values in reversed(grid.items())}
    assert ids(sets_of(grid=mixed)) == ids(found)
    assert sweep_mapping(parse_sweep({"grid": mixed})) == sweep_mapping(parse_sweep({"grid": grid}))


def test_the_same_parameters_have_the_same_id_in_any_sweep() -> None:
    in_grid = sets_of(grid={"stop_loss": [0.1, 0.3]})
    in_list = sets_of(list=[{"stop_loss": 0.3, "fee": 0.0}, {"stop_loss": 0.1, "max_hold_min": 60.0}])
    renamed = parse_strategy({**strategy_mapping(BASE), "name": "other", "description": "words", "stop_loss": 0.9})
    assert ids(in_list) == ids(in_grid) == ids(sets_of(renamed, grid={"stop_loss": [0.1, 0.3]}))
    assert ids(in_grid) == sorted(param_id_of(one.strategy) for one in in_grid.sets)
    assert ids(sets_of(grid={"stop_loss": [0.1]})) == ["8bbe27e28f56"], "ids are in files: they never change"


def test_sets_that_mean_the_same_count_once() -> None:
    found = sets_of(grid={"max_hold_min": [60, 60.0, 30], "stop_loss": [0.2]})
    assert (len(found), found.n_merged) == (2, 1)


def test_sets_that_contradict_themselves_are_left_out_with_the_reason() -> None:
    found = sets_of(grid={"stop_loss": [0.001, 0.2], "stop_steps": [[[0.5, 0.0]], [[0.1, 0.4]]]})
    assert [one.changes for one in found.sets] == [{"stop_loss": 0.2, "stop_steps": [[0.5, 0]]}]
    reasons = sorted(one.reason for one in found.excluded)
    assert [reason.split(" ")[1:4] for reason in reasons] == [["stop_loss", "0.001", "lies"]] * 2 + [
        ["stop_steps", "level", "0.4"]
    ]


def test_a_value_with_keys_of_several_types_makes_no_strategy_and_is_said_so() -> None:
    """Only YAML on the command line can write such keys: `--param sweep.grid='{stop_loss: [{1: 2, a: 3}]}'`."""
    with pytest.raises(InvalidInputError, match="stop_loss must be a finite number"):
        sets_of(grid={"stop_loss": [{1: 2, "a": 3}]})


@pytest.mark.parametrize(("key", "default", "look_alike"), [("fee", 0, False), ("stake", 1, True)])
def test_a_set_that_is_left_out_shares_no_id_with_one_that_is_tried(key: str, default: int, look_alike: bool) -> None:
    """Python's False is 0 and True is 1; a table of parameter sets holds each id once."""
    found = sets_of(grid={key: [default, look_alike]})
    assert ids(found) == [param_id_of(BASE)]
    assert [one.reason for one in found.excluded] == [f"strategy: {key} must be a finite number, got {look_alike}"]
    assert found.excluded[0].param_id not in ids(found)


def test_a_sweep_without_any_strategy_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r'none of the 2 parameter sets is a strategy; .*"stop_loss": 2'):
        sets_of(grid={"stop_loss": [2, 3]})


def test_null_takes_a_key_away_and_a_ladder_is_one_value() -> None:
    found = sets_of(grid={"stop_loss": [None, 0.1], "take_profit": [[[0.5, 0.5], [1.0, 0.5]], []]})
    assert {(one.strategy.stop_loss, len(one.strategy.take_profit)) for one in found.sets} == {
        (None, 0), (None, 2), (0.1, 0), (0.1, 2),
    }  # fmt: skip


def test_the_base_itself_may_be_one_of_a_list() -> None:
    assert param_id_of(BASE) in ids(sets_of(list=[{}, {"stop_loss": 0.5}]))


RANDOM: dict[str, Any] = {
    "samples": 200,
    "seed": 7,
    "stop_loss": {"from": 0.05, "to": 0.5},
    "max_hold_min": {"from": 10, "to": 12},
    "trailing_stop": {"from": 0.01, "to": 0.9, "log": True},
    "intrabar": {"choices": ["stop_first", "ohlc_path"]},
}


def test_random_sets_are_drawn_from_where_they_are_asked_and_again_the_same() -> None:
    found = sets_of(random=RANDOM)
    strategies = [one.strategy for one in found.sets]
    assert len(found) + len(found.excluded) == 200
    assert all(0.05 <= (one.stop_loss or 0) <= 0.5 for one in strategies)
    assert {one.max_hold_min for one in strategies} == {10, 11, 12}
    assert {one.intrabar for one in strategies} == {"stop_first", "ohlc_path"}
    trails = sorted(one.trailing_stop or 0 for one in strategies)
    assert 0.06 < trails[len(trails) // 2] < 0.15, "the middle of a logarithm: sqrt(0.01 x 0.9) = 0.095"
    assert ids(sets_of(random=dict(reversed(RANDOM.items())))) == ids(found)
    assert ids(sets_of(random={**RANDOM, "seed": 8})) != ids(found)


@pytest.mark.parametrize(
    "sweep",
    [
        {"grid": {"stop_loss": [0.3, 0.1], "max_hold_min": [60.0]}},
        {"list": [{"stop_loss": None}, {"take_profit": [[0.5, 1.0]]}], "choose_by": "calmar", "keep_trades": "all"},
        {"random": RANDOM},
    ],
)
def test_the_canonical_form_is_read_back_as_the_same(sweep: dict[str, Any]) -> None:
    parsed = parse_sweep(sweep)
    assert parse_sweep(sweep_mapping(parsed)) == parsed


def test_a_sweep_has_statistics_whether_or_not_they_are_asked_for() -> None:
    written = params_mapping(parse_params({"sweep": {"grid": {"stop_loss": [0.1]}}}))
    assert written["statistics"] == {"bootstrap": {"samples": 1000, "level": 0.95}}
    assert "sweep" not in params_mapping(parse_params({}))


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({}, "sweep: says nothing of what to try; give exactly one of grid, list, random"),
        ({"grid": {"fee": [0]}, "list": [{}]}, "sweep: has grid and list; give exactly one"),
        ({"gird": {}}, "sweep: unknown key 'gird'; did you mean 'grid'?"),
        ({"grid": {}}, "changes nothing"),
        ({"grid": {"stop_los": [0.1]}}, "sweep grid: unknown key 'stop_los'; did you mean 'stop_loss'?"),
        ({"grid": {"name": ["a", "b"]}}, "unknown key 'name'"),
        ({"grid": {"stop_loss": 0.1}}, "grid stop_loss must be a list"),
        ({"grid": {"stop_loss": []}}, "grid stop_loss must be a list"),
        ({"grid": {"stop_loss": [float("nan")]}}, "grid holds a value that is no finite number"),
        ({"grid": {"fee": [i / 1e4 for i in range(101)], "stake": list(range(1, 101))}}, "makes 10,100 parameter sets"),
        ({"list": [{}] * (MOST_SETS + 1)}, "makes 10,001 parameter sets; at most 10,000"),
        ({"list": [{"stop_loss": 0.1}, {"stoploss": 0.1}]}, "sweep list item 2: unknown key 'stoploss'"),
        ({"list": {}}, "list must be a list"),
        ({"random": {"stop_loss": [0.1]}}, "samples is required"),
        ({"random": {"samples": 5}}, "changes nothing"),
        ({"random": {"samples": 10_001, "fee": [0]}}, "makes 10,001 parameter sets"),
        ({"random": {"samples": 5, "fee": {"from": 0.1}}}, "sweep random fee: from and to are required"),
        ({"random": {"samples": 5, "fee": {"from": 0.2, "to": 0.1}}}, "from 0.2 lies above to 0.1"),
        ({"random": {"samples": 5, "fee": {"from": 0, "to": 0.1, "log": True}}}, "must be above 0 with log"),
        ({"random": {"samples": 5, "fee": {"from": 0, "choices": [1]}}}, "choices must be a list"),
        ({"random": {"samples": 5, "max_hold_min": {"from": 1.5, "to": 3}}}, "must be whole numbers"),
        ({"grid": {"fee": [0]}, "choose_by": "sharp"}, "choose_by must be one of sharpe, mean_return_low"),
        ({"grid": {"fee": [0]}, "keep_trades": "some"}, "keep_trades must be one of chosen, all"),
        ([], "sweep: expected a mapping"),
    ],
)
def test_what_is_refused_is_named(sweep: Any, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_sweep(sweep)
    assert message in str(refused.value)


def test_a_choice_by_bounds_needs_bounds() -> None:
    swept = {"grid": {"fee": [0]}, "choose_by": "mean_return_low"}
    with pytest.raises(InvalidInputError, match="mean_return_low, which needs statistics with bootstrap samples"):
        parse_params({"sweep": swept, "statistics": {"bootstrap": {"samples": 0}}})
