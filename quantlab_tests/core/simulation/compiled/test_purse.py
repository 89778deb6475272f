"""The compiled purse makes of columns what the plain portfolio makes of outcomes, to the bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.compiled import purse_kernel
from quantlab_core.simulation.compiled.purse import ColumnPurse
from quantlab_core.simulation.portfolio import PortfolioConfig, run_portfolio
from quantlab_core.simulation.portfolio_columns import CurveColumns, PortfolioColumns
from quantlab_core.simulation.trade_columns import TradeColumns
from quantlab_tests.core.simulation.drawn_outcomes import closed, untraded

SECONDS = st.integers(0, 30)
SIZES = st.sampled_from((0.1, 1 / 3, 0.25, 1.0))


@st.composite
def outcomes(draw: st.DrawFn) -> list[AlertOutcome]:
    """Trades that overlap in time and share tokens, and some alerts without a trade."""
    drawn: list[AlertOutcome] = []
    for number in range(draw(st.integers(0, 14))):
        alert_id = f"{draw(st.sampled_from('abcé'))}{number}"
        entry_s = draw(SECONDS)
        if draw(st.integers(0, 5)) == 0:
            drawn.append(untraded(alert_id, entry_s))
            continue
        times = sorted(draw(st.lists(SECONDS, min_size=1, max_size=4)))
        legs = [(entry_s + at_s, 1 / len(times), draw(st.floats(0.0, 9.0))) for at_s in times]
        mint = draw(st.sampled_from(("x", "y", "z")))
        fee = draw(st.sampled_from((0.0, 0.01)))
        drawn.append(closed(alert_id, entry_s, *legs, stake=draw(st.sampled_from((100.0, 33.3))), fee=fee, mint=mint))
    return drawn


def configs() -> st.SearchStrategy[PortfolioConfig]:
    return st.builds(
        PortfolioConfig,
        starting_capital=st.sampled_from((None, 100.0, 333.3)),
        sizing=st.sampled_from(("equal_stake", "fraction_of_equity")),
        stake=SIZES.map(lambda size: size),
        max_open=st.sampled_from((None, 1, 3)),
        one_per_token=st.booleans(),
    ).map(lambda config: config if config.sizing != "equal_stake" else replace(config, stake=100 * (config.stake or 1)))


def assert_same(found: PortfolioColumns, listed: Sequence[AlertOutcome], config: PortfolioConfig) -> None:
    wanted = PortfolioColumns.from_run(run_portfolio(listed, config, 100.0), listed)
    assert found.starting_capital == wanted.starting_capital
    for column in fields(CurveColumns):
        left, right = getattr(found.curve, column.name), getattr(wanted.curve, column.name)
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes(), (column.name, left, right)
    for name in ("taken", "rejected", "rejection"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist()
    assert found.final_equity == wanted.final_equity


@settings(max_examples=300, deadline=None, derandomize=True)
@given(outcomes(), configs())
def test_every_curve_has_the_bits_of_the_plain_portfolio(listed: list[AlertOutcome], config: PortfolioConfig) -> None:
    purse = ColumnPurse(TradeColumns.from_outcomes(listed), config, 100.0)
    for _ in range(2):  # a purse keeps nothing of a run
        assert_same(purse.run(), listed, config)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(outcomes(), configs(), st.data())
def test_some_trades_are_as_if_there_were_no_others(
    listed: list[AlertOutcome], config: PortfolioConfig, data: st.DataObject
) -> None:
    is_wanted = np.array([data.draw(st.booleans()) for _ in listed], dtype=np.bool_)
    rows = np.flatnonzero(is_wanted)
    found = ColumnPurse(TradeColumns.from_outcomes(listed), config, 100.0).run(rows)
    place = {int(row): number for number, row in enumerate(rows)}
    alone = replace(
        found,
        taken=np.array([place[row] for row in found.taken.tolist()], dtype=np.int64),
        rejected=np.array([place[row] for row in found.rejected.tolist()], dtype=np.int64),
    )
    assert_same(alone, [listed[row] for row in rows], config)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1e200, 1e200), max_size=20), st.floats(-1e200, 1e200), st.data())
def test_the_running_sum_is_exact(values: list[float], one_more: float, data: st.DataObject) -> None:
    """Numbers come and go; what is left is summed as ``math.fsum`` sums it."""
    partials, scratch = np.empty(purse_kernel.MOST_PARTIALS), np.empty(purse_kernel.MOST_PARTIALS)
    n, left = 0, []
    for value in values:
        n = purse_kernel._added(partials, n, value)
        left.append(value)
        if data.draw(st.booleans()):
            n = purse_kernel._added(partials, n, -left.pop(data.draw(st.integers(0, len(left) - 1))))
    assert purse_kernel._rounded(partials, n) == math.fsum(left)
    assert purse_kernel._rounded_with(partials, n, one_more, scratch) == math.fsum([*left, one_more])


def test_money_near_overflow_is_left_to_the_plain_portfolio() -> None:
    trades = TradeColumns.from_outcomes([closed("a", 0, (60, 1.0, 1.0))])
    assert ColumnPurse.can_run(trades, PortfolioConfig(), 100.0)
    assert not ColumnPurse.can_run(trades, PortfolioConfig(), 1e300)
    huge = TradeColumns.from_outcomes([closed("a", 0, (60, 1.0, 1e300))])
    assert not ColumnPurse.can_run(huge, PortfolioConfig(), 100.0)
