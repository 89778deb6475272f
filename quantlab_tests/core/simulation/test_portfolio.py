"""The portfolio (rule C10): events in order, money conserved, every trade taken or rejected with its reason."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.errors import InvalidInputError
from quantlab_core.simulation.portfolio import PortfolioConfig, parse_portfolio, run_portfolio
from quantlab_tests.core.simulation.drawn_outcomes import T0_S, closed, untraded


def rejected(run: object) -> list[tuple[str, str]]:
    return [(rejection.outcome.alert_id, rejection.code) for rejection in run.rejections]  # type: ignore[attr-defined]


def test_equity_changes_only_when_money_comes_back() -> None:
    # 1,000; stake 100 in at 0 s; half sold at 2x at 60 s (+50), the rest at 0.5x at 120 s (-25)
    run = run_portfolio([closed("a", 0, (60, 0.5, 2.0), (120, 0.5, 0.5))], PortfolioConfig(1_000), 100)
    assert [(point.ts_ms // 1_000 - T0_S, point.cash, point.equity, point.n_open) for point in run.curve] == [
        (0, 900, 1_000, 1),
        (60, 1_000, 1_050, 1),
        (120, 1_025, 1_025, 0),
    ]
    assert [point.exposure for point in run.curve] == [0.1, 50 / 1_050, 0]
    assert run.curve[-1].drawdown == pytest.approx(1_025 / 1_050 - 1)
    assert [point.drawdown_duration_s for point in run.curve] == [0, 0, 60]


def test_the_entry_fee_is_paid_at_the_entry() -> None:
    # stake 100 with a fee of 25 %: 80 of tokens, 20 of fee
    run = run_portfolio([closed("a", 0, (60, 1.0, 1.0), fee=0.25)], PortfolioConfig(1_000), 100)
    assert [point.equity for point in run.curve] == [980, 960]


def test_an_exit_frees_its_cash_for_an_entry_at_the_same_time() -> None:
    trades = [closed("a", 0, (60, 1.0, 1.0)), closed("b", 60, (120, 1.0, 1.5))]
    run = run_portfolio(trades, PortfolioConfig(100), 100)
    assert [outcome.alert_id for outcome in run.taken] == ["a", "b"]
    assert run.final_equity == 150
    assert len(run.curve) == 3  # one point a time


def test_entries_at_one_time_are_taken_by_alert_id() -> None:
    trades = [closed("b", 0, (60, 1.0, 1.0)), closed("a", 0, (60, 1.0, 1.0))]
    run = run_portfolio(trades, PortfolioConfig(150), 100)
    assert [outcome.alert_id for outcome in run.taken] == ["a"]
    assert rejected(run) == [("b", "rejected_capital")]


def test_the_highest_number_of_positions_is_kept() -> None:
    trades = [closed(name, second, (1_000, 1.0, 1.0)) for second, name in enumerate("abc")]
    run = run_portfolio(trades, PortfolioConfig(max_open=2), 100)
    assert rejected(run) == [("c", "rejected_max_open")]
    assert max(point.n_open for point in run.curve) == 2


def test_a_token_is_held_once_where_that_is_asked_for() -> None:
    trades = [closed("a", 0, (60, 1.0, 1.0), mint="T"), closed("b", 1, (60, 1.0, 1.0), mint="T")]
    assert rejected(run_portfolio(trades, PortfolioConfig(one_per_token=True), 100)) == [("b", "rejected_token_held")]
    assert rejected(run_portfolio(trades, PortfolioConfig(), 100)) == []


def test_a_fraction_of_equity_grows_with_the_equity() -> None:
    # 1,000: half in, doubled -> 1,500; half of that in, doubled -> 2,250
    trades = [closed("a", 0, (60, 1.0, 2.0)), closed("b", 120, (180, 1.0, 2.0))]
    run = run_portfolio(trades, PortfolioConfig(1_000, "fraction_of_equity", 0.5), 100)
    assert [point.equity for point in run.curve] == [1_000, 1_500, 1_500, 2_250]


def test_the_default_purse_holds_a_hundred_stakes_of_the_strategy() -> None:
    assert run_portfolio([], PortfolioConfig(), 100).starting_capital == 10_000
    assert run_portfolio([], PortfolioConfig(stake=5), 100).starting_capital == 500
    assert run_portfolio([], PortfolioConfig(None, "fraction_of_equity", 0.1), 7).starting_capital == 10_000


@pytest.mark.parametrize("stake", [33.3, 0.1, 1 / 3, 1e-6, 70.07])
def test_a_purse_of_a_hundred_stakes_pays_for_a_hundred_trades(stake: float) -> None:
    # In binary floating point 3330 - 99 x 33.3 is a little less than 33.3.
    trades = [closed(f"{number:03d}", number, (1_000, 1.0, 1.0)) for number in range(101)]
    run = run_portfolio(trades, PortfolioConfig(), stake)
    assert rejected(run) == [("100", "rejected_capital")]
    assert min(point.cash for point in run.curve) >= 0
    assert run.curve[99].cash == pytest.approx(0, abs=1e-9 * stake)
    assert run.final_equity == pytest.approx(100 * stake)


@pytest.mark.parametrize(("capital", "is_taken"), [(100 * (1 - 5e-10), True), (100 * (1 - 2e-9), False)])
def test_only_what_rounding_can_lack_is_overlooked_and_cash_never_falls_below_zero(
    capital: float, is_taken: bool
) -> None:
    run = run_portfolio([closed("a", 0, (60, 1.0, 1.0))], PortfolioConfig(capital), 100)
    assert len(run.taken) == is_taken
    assert [point.cash for point in run.curve] == ([0, 100] if is_taken else [])


def test_alerts_without_a_trade_leave_no_trace() -> None:
    run = run_portfolio([untraded("a", 0)], PortfolioConfig(), 100)
    assert (run.curve, run.taken, run.rejections) == ((), (), ())
    assert run.final_equity == run.starting_capital


trades = st.lists(
    st.tuples(
        st.integers(0, 5_000),
        st.lists(st.tuples(st.integers(0, 2_000), st.floats(0, 5)), min_size=1, max_size=3),
        st.sampled_from("XYZ"),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(trades, st.sampled_from((150.0, 400.0, 10_000.0)), st.sampled_from((None, 2)), st.booleans(), st.booleans())
def test_money_is_conserved_whatever_is_taken(
    drawn: list[tuple[int, list[tuple[int, float]], str]],
    capital: float,
    max_open: int | None,
    one_per_token: bool,
    is_fraction: bool,
) -> None:
    outcomes = []
    for number, (entry_s, exits, token) in enumerate(drawn):
        share = 1 / len(exits)
        times = sorted(entry_s + later for later, _ in exits)
        legs = [(at_s, share, multiple) for at_s, (_, multiple) in zip(times, exits, strict=True)]
        outcomes.append(closed(f"{number:02d}", entry_s, *legs, fee=0.01, mint=token))
    sizing = "fraction_of_equity" if is_fraction else "equal_stake"
    config = PortfolioConfig(capital, sizing, 0.3 if is_fraction else None, max_open, one_per_token)
    run = run_portfolio(outcomes, config, 100)
    assert len(run.taken) + len(run.rejections) == len(outcomes)
    assert run == run_portfolio(list(reversed(outcomes)), config, 100)
    assert all(point.cash >= 0 for point in run.curve)
    assert all(before.ts_ms < after.ts_ms for before, after in pairwise(run.curve))
    assert all(point.drawdown <= 0 for point in run.curve)
    if max_open is not None:
        assert all(point.n_open <= max_open for point in run.curve)
    if run.curve:
        assert run.curve[-1].n_open == 0
    if not is_fraction:
        pnl = sum(outcome.position.pnl for outcome in run.taken if outcome.position is not None)
        assert run.final_equity - run.starting_capital == pytest.approx(pnl, abs=1e-6)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"starting_capitol": 1}, "unknown key 'starting_capitol'; did you mean 'starting_capital'?"),
        ({"starting_capital": 0}, "starting_capital must be above 0"),
        ({"starting_capital": "10k"}, "starting_capital must be a finite number"),
        ({"sizing": "kelly"}, "sizing must be one of equal_stake, fraction_of_equity"),
        ({"sizing": "fraction_of_equity"}, "stake must be the fraction of equity"),
        ({"sizing": "fraction_of_equity", "stake": 1.5}, "stake must be the fraction of equity"),
        ({"stake": 200, "starting_capital": 100}, "stake 200 is more than starting_capital 100"),
        ({"max_open": 0}, "max_open must be from 1 to"),
        ({"one_per_token": "yes"}, "one_per_token must be true or false"),
        ([], "expected a mapping"),
    ],
)
def test_a_portfolio_that_cannot_work_is_refused(block: object, message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_portfolio(block)
    assert str(refusal.value).startswith("portfolio: ") or str(refusal.value).startswith("portfolio")
    assert message in str(refusal.value)
