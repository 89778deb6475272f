"""Worked examples of semantics v1, rule by rule. Each comment is the arithmetic that a reader can redo by hand."""

from __future__ import annotations

import pytest

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_tests.core.simulation.drawn_candles import T0_MS, draw, play, position_of, sales

FLAT = (100.0, 100.0, 100.0, 100.0)


# C2: entry


def test_an_entry_delay_moves_the_first_usable_open_and_stays_strict() -> None:
    candles = ((0, 100, 100, 100, 100), (1, 110, 110, 110, 110))
    # alert at -90 s, delay 60 s: t_ok = -30 s, minute 0 opens after it
    assert position_of(play(*candles, alert_s=-90, entry_delay_s=60)).entry_raw_price == 100
    # delay 90 s: t_ok = 0 s, minute 0 opens at it, not after it
    assert position_of(play(*candles, alert_s=-90, entry_delay_s=90)).entry_raw_price == 110


def test_the_entry_wait_is_inclusive_and_counted_from_the_delayed_alert() -> None:
    assert play((0, *FLAT), alert_s=-300).status == "closed"
    late = play((0, *FLAT), alert_s=-300.001)
    assert (late.status, late.reason) == ("no_entry", "no_candle")
    assert play((0, *FLAT), alert_s=-310, entry_delay_s=10).status == "closed"
    assert play((0, *FLAT), alert_s=-61, max_entry_wait_s=60).status == "no_entry"


def test_a_series_without_candles_gives_no_entry() -> None:
    assert play().reason == "no_candle"


def test_a_limit_inside_a_candle_fills_at_the_limit_and_that_candles_high_reaches_no_target() -> None:
    # limit = 100 x 0.8 = 80; minute 1: open 95 > 80, low 78 <= 80 -> R = 80. Target 80 x 1.5 = 120: the high 130 of
    # minute 1 may have come before the fill and does not count; minute 2 reaches 121 -> sold at 120, +50 %.
    trade = play(
        (0, 100, 101, 90, 95), (1, 95, 130, 78, 85), (2, 85, 121, 84, 120),
        entry_mode="limit_dip", limit_pct=0.2, limit_ttl_min=5, take_profit=[[0.5, 1.0]],
    )  # fmt: skip
    position = position_of(trade)
    assert position.entry_raw_price == 80
    assert position.entry_ts_ms == T0_MS + 60_000
    assert position.entry_fill_ts_ms == T0_MS + 120_000  # known when the candle has closed
    assert sales(trade) == [(1.0, 120.0, 180.0, "take_profit")]
    assert position.gross_return == pytest.approx(0.5, abs=1e-12)
    assert position.path.ath_multiple == pytest.approx(121 / 80, abs=1e-12)


def test_an_open_below_the_limit_fills_at_the_open_and_the_whole_candle_counts() -> None:
    # minute 1 opens at 70 <= 80 -> R = 70; target 105; its own high 110 reaches it -> +50 %
    trade = play(
        (0, 100, 101, 90, 95), (1, 70, 110, 68, 100),
        entry_mode="limit_dip", limit_pct=0.2, limit_ttl_min=5, take_profit=[[0.5, 1.0]],
    )  # fmt: skip
    assert position_of(trade).entry_raw_price == 70
    assert position_of(trade).entry_fill_ts_ms == T0_MS + 60_000
    assert sales(trade) == [(1.0, 105.0, 120.0, "take_profit")]


def test_the_stop_is_live_in_the_candle_that_fills_a_limit() -> None:
    # R = 80, stop 80 x 0.9 = 72; the same candle's low is 70 -> sold at 72, -10 %
    trade = play(
        (0, 100, 100, 70, 99), entry_mode="limit_dip", limit_pct=0.2, limit_ttl_min=1, stop_loss=0.1,
        take_profit=[[0.2, 1.0]],
    )  # fmt: skip
    assert sales(trade) == [(1.0, 72.0, 60.0, "stop_loss")]
    assert not position_of(trade).is_ambiguous  # no target could be reached in that candle


def test_a_limit_lives_for_its_lifetime_only() -> None:
    candles = ((0, 100, 100, 90, 95), (1, 95, 95, 81, 90), (2, 90, 90, 80, 85))
    dip = {"entry_mode": "limit_dip", "limit_pct": 0.2}
    # lifetime 2 min: minutes 0 and 1 count, minute 2 opens at 120 s, which is not before 0 + 120 s
    expired = play(*candles, **dip, limit_ttl_min=2)
    assert (expired.status, expired.reason) == ("no_entry", "limit_not_filled")
    assert position_of(play(*candles, **dip, limit_ttl_min=3)).entry_raw_price == 80  # a touch is enough


def test_after_a_fill_inside_a_candle_its_close_stands_in_for_its_high() -> None:
    # R = 80 in minute 1 (close 85): the trail starts from max(80, 85) = 85, level 68. Were the high 130 used, the level
    # would be 104 and minute 2 would sell at its open. Minute 2: low 69 > 68, peak 86. Minute 3: level 68.8, low 66.
    trade = play(
        (0, 100, 101, 90, 95), (1, 95, 130, 78, 85), (2, 85, 86, 69, 70), (3, 70, 71, 66, 67),
        entry_mode="limit_dip", limit_pct=0.2, limit_ttl_min=5, trailing_stop=0.2,
    )  # fmt: skip
    assert sales(trade) == [(1.0, 68.8, 240.0, "trailing_stop")]
    assert position_of(trade).gross_return == pytest.approx(68.8 / 80 - 1, abs=1e-12)


# C3: levels


def test_a_trailing_stop_with_activation_is_live_from_the_candle_after_the_activation() -> None:
    # activation at 150: minute 1 (high 160) activates, its own low 100 is not tested. Level 160 x 0.7 = 112.
    trade = play(
        (0, 100, 140, 60, 130), (1, 130, 160, 100, 120), (2, 120, 121, 111, 115),
        trailing_stop=0.3, trailing_activation=0.5,
    )  # fmt: skip
    assert sales(trade) == [(1.0, 112.0, 180.0, "trailing_stop")]


def test_a_trailing_stop_without_activation_is_live_at_once_and_starts_from_the_price_paid() -> None:
    # E = 100 x 1.1 = 110, level 77: hit in the entry candle itself
    assert sales(play((0, 100, 105, 77, 90), trailing_stop=0.3, slippage=0.1)) == [(1.0, 77.0, 60.0, "trailing_stop")]
    # minute 0's high 105 lies below E: the peak stays at 110
    trade = play((0, 100, 105, 78, 90), (1, 90, 91, 76, 80), trailing_stop=0.3, slippage=0.1)
    assert sales(trade) == [(1.0, 77.0, 120.0, "trailing_stop")]


def test_equal_levels_are_named_stop_loss_before_step_before_trailing() -> None:
    # both 80 from the start
    trade = play((0, 100, 100, 90, 95), (1, 95, 96, 80, 85), stop_loss=0.2, trailing_stop=0.2)
    assert sales(trade) == [(1.0, 80.0, 120.0, "stop_loss")]
    # step at 50 % to +20 % = 120, trail 150 x 0.8 = 120
    trade = play((0, 100, 150, 100, 140), (1, 140, 140, 120, 130), stop_steps=[[0.5, 0.2]], trailing_stop=0.2)
    assert sales(trade) == [(1.0, 120.0, 120.0, "step_stop")]


def test_steps_ratchet_upwards_and_the_highest_binds() -> None:
    # minute 0 arms breakeven (130) and +20 % (150); the level is 120 whatever their order in the file
    trade = play((0, 100, 155, 100, 150), (1, 150, 151, 119, 130), stop_steps=[[0.5, 0.2], [0.3, 0.0]])
    assert sales(trade) == [(1.0, 120.0, 120.0, "step_stop")]


def test_a_step_below_the_entry_tightens_a_loose_stop() -> None:
    # stop 50; +20 % arms a stop at -10 % = 90
    trade = play((0, 100, 120, 95, 110), (1, 110, 111, 85, 88), stop_loss=0.5, stop_steps=[[0.2, -0.1]])
    assert sales(trade) == [(1.0, 90.0, 120.0, "step_stop")]


# C4: inside a candle


def test_a_touch_is_enough_for_stop_target_and_open() -> None:
    assert sales(play((0, 100, 110, 80, 100), stop_loss=0.2))[0] == (1.0, 80.0, 60.0, "stop_loss")
    assert sales(play((0, 100, 150, 90, 100), take_profit=[[0.5, 1.0]]))[0] == (1.0, 150.0, 60.0, "take_profit")
    at_open = play((0, 100, 110, 90, 100), (1, 80, 85, 75, 80), stop_loss=0.2)
    assert sales(at_open)[0] == (1.0, 80.0, 60.0, "stop_loss")


def test_the_entry_candle_itself_can_stop_the_position() -> None:
    assert sales(play((0, 100, 200, 70, 150), stop_loss=0.2)) == [(1.0, 80.0, 60.0, "stop_loss")]


PARTIAL = {"stop_loss": 0.2, "take_profit": [[0.1, 0.5]]}


@pytest.mark.parametrize(
    ("policy", "candle", "expected"),
    [
        # low first: all at 80
        ("stop_first", (112, 75), [(1.0, 80.0)]),
        # high first: half at 110, then the rest at 80
        ("target_first", (112, 75), [(0.5, 110.0), (0.5, 80.0)]),
        # high - open = 12 < open - low = 25: the high is nearer to the open, high first
        ("ohlc_path", (112, 75), [(0.5, 110.0), (0.5, 80.0)]),
        # 30 > 25: low first
        ("ohlc_path", (130, 75), [(1.0, 80.0)]),
        # 25 = 25: a tie goes to the low
        ("ohlc_path", (125, 75), [(1.0, 80.0)]),
    ],
)
def test_the_three_policies_order_low_and_high(
    policy: str, candle: tuple[float, float], expected: list[object]
) -> None:
    high, low = candle
    trade = play((0, 100, 101, 99, 100), (1, 100, high, low, 90), **PARTIAL, intrabar=policy)
    assert [(leg[0], leg[1]) for leg in sales(trade)] == expected
    position = position_of(trade)
    assert position.is_ambiguous
    assert position.return_pessimistic == pytest.approx(-0.2, abs=1e-12)
    assert position.return_optimistic == pytest.approx(0.5 * 1.1 + 0.5 * 0.8 - 1, abs=1e-12)


def test_a_target_that_was_filled_at_the_open_makes_no_candle_ambiguous() -> None:
    # open 120 >= 110 sells half at 120; the low then stops the rest. The order is certain: open, then low.
    trade = play((0, 100, 101, 99, 100), (1, 120, 125, 75, 90), **PARTIAL)
    assert [(leg[0], leg[1], leg[3]) for leg in sales(trade)] == [
        (0.5, 120.0, "take_profit"),
        (0.5, 80.0, "stop_loss"),
    ]
    assert not position_of(trade).is_ambiguous


def test_an_open_beyond_all_targets_sells_every_rung_at_the_open() -> None:
    trade = play((0, 100, 101, 99, 100), (1, 300, 310, 290, 300), take_profit=[[0.5, 0.3], [1.0, 0.3], [1.5, 0.4]])
    assert [(leg[1], leg[2]) for leg in sales(trade)] == [(300.0, 60.0)] * 3
    assert sum(leg.fraction for leg in position_of(trade).exits) == pytest.approx(1.0, abs=1e-15)


def test_rungs_whose_fractions_sum_to_one_leave_nothing_behind() -> None:
    # 0.1 ten times is 0.9999999999999999 in floating point; the last rung takes the rest
    rungs = [[0.1 * number, 0.1] for number in range(1, 11)]
    trade = play((0, 100, 250, 99, 200), (1, 200, 200, 1, 1), take_profit=rungs)
    assert len(sales(trade)) == 10
    assert position_of(trade).exit_reason == "take_profit"


def test_what_no_rung_sells_is_sold_at_the_deadline() -> None:
    # 40 % at 150, the rest at the last close 120: 0.4 x 1.5 + 0.6 x 1.2 - 1 = 32 %
    trade = play((0, 100, 160, 99, 130), (1, 130, 131, 119, 120), take_profit=[[0.5, 0.4]], max_hold_min=2)
    assert sales(trade) == [(0.4, 150.0, 60.0, "take_profit"), (0.6, 120.0, 120.0, "time_exit")]
    assert position_of(trade).net_return == pytest.approx(0.32, abs=1e-12)


# C5: time exit, end of data, dead tokens


def test_silence_inside_the_coverage_is_a_dead_token_sold_at_its_last_price() -> None:
    # deadline 600 s, coverage until 900 s, last candle closes at 120 s: sold at 90, a price 480 s old
    trade = play((0, 100, 101, 99, 100), (1, 100, 100, 90, 90), max_hold_min=10, coverage_min=15)
    position = position_of(trade)
    assert sales(trade) == [(1.0, 90.0, 600.0, "time_exit")]
    assert (position.is_censored, position.stale_exit_s) == (False, 480.0)
    assert (position.candles_used, position.missing_candles) == (2, 8)


def test_coverage_that_ends_at_the_deadline_is_enough_and_one_minute_less_is_not() -> None:
    candle = (0, 100, 101, 99, 100)
    assert position_of(play(candle, max_hold_min=10, coverage_min=10)).exit_reason == "time_exit"
    censored = position_of(play(candle, max_hold_min=10, coverage_min=9))
    assert (censored.exit_reason, censored.is_censored, censored.stale_exit_s) == ("end_of_data", True, None)


def test_candles_that_close_after_the_coverage_are_not_used() -> None:
    candles = ((0, 100, 101, 99, 100), (1, 100, 100, 95, 98), (2, 98, 300, 98, 290))
    assert sales(play(*candles, coverage_min=2)) == [(1.0, 98.0, 120.0, "end_of_data")]
    assert play(*candles, coverage_min=0).reason == "no_candle"
    # minute 2 has opened by then but not closed: its high is not known yet
    assert sales(play(*candles, coverage_min=2.5)) == [(1.0, 98.0, 120.0, "end_of_data")]


def test_the_dead_token_stress_values_only_what_ends_with_the_data_at_nothing() -> None:
    # half sold at 150, the other half worth 0: 0.5 x 1.5 - 1 = -25 %
    candles = ((0, 100, 160, 99, 130), (1, 130, 131, 119, 120))
    stressed = play(*candles, take_profit=[[0.5, 0.5]], dead_price="zero")
    assert sales(stressed) == [(0.5, 150.0, 60.0, "take_profit"), (0.5, 0.0, 120.0, "end_of_data")]
    assert position_of(stressed).net_return == pytest.approx(-0.25, abs=1e-12)
    assert sales(play(*candles, max_hold_min=2, dead_price="zero"))[-1] == (1.0, 120.0, 120.0, "time_exit")


def test_a_missing_minute_before_the_deadline_makes_the_exit_stale() -> None:
    # minutes 0 and 1 exist, 2 and 3 do not, minute 4 lies at the deadline 240 s and proves the coverage
    trade = play((0, *FLAT), (1, 100, 105, 95, 104), (4, 1, 1, 1, 1), max_hold_min=4)
    assert sales(trade) == [(1.0, 104.0, 240.0, "time_exit")]
    assert position_of(trade).stale_exit_s == 120.0
    assert position_of(trade).missing_candles == 2


def test_missing_minutes_before_a_stop_are_counted() -> None:
    position = position_of(play((0, *FLAT), (5, 70, 71, 69, 70), stop_loss=0.2))
    assert (position.candles_used, position.missing_candles) == (2, 4)
    assert position.stale_exit_s is None


# C6: money


def test_a_flat_trade_costs_fees_and_slippage_on_both_sides() -> None:
    # fee 1 %, slippage 0.5 %: k = 0.995 x 0.99 / (1.005 x 1.01) = 0.970444...
    trade = play((0, *FLAT), max_hold_min=1, fee=0.01, slippage=0.005, stake=1_000)
    position = position_of(trade)
    paid_per_token = 100.5 * 1.01
    quantity = 1_000 / paid_per_token
    assert position.net_return == pytest.approx(0.995 * 0.99 / (1.005 * 1.01) - 1, abs=1e-12)
    assert position.gross_return == 0
    assert position.quantity == pytest.approx(quantity, rel=1e-15)
    assert position.entry_fee == pytest.approx(quantity * 100.5 * 0.01, rel=1e-12)
    assert position.exit_fees == pytest.approx(quantity * 99.5 * 0.01, rel=1e-12)
    assert position.slippage_cost == pytest.approx(quantity * (0.5 + 0.5), rel=1e-12)
    # what is lost is what was paid in fees and slippage
    assert -position.pnl == pytest.approx(position.entry_fee + position.exit_fees + position.slippage_cost, rel=1e-9)


def test_levels_follow_the_price_paid_not_the_raw_price() -> None:
    # E = 100 x 1.1 = 110: stop 88, target 165; the average exit weighs by fraction
    trade = play((0, 100, 170, 100, 160), (1, 160, 160, 87, 90), slippage=0.1, stop_loss=0.2, take_profit=[[0.5, 0.25]])
    assert sales(trade) == [(0.25, 165.0, 60.0, "take_profit"), (0.75, 88.0, 120.0, "stop_loss")]
    position = position_of(trade)
    assert position.avg_exit_raw_price == pytest.approx(0.25 * 165 + 0.75 * 88, rel=1e-12)
    assert position.avg_exit_price == pytest.approx(0.9 * (0.25 * 165 + 0.75 * 88), rel=1e-12)
    assert position.duration_s == 120


def test_excursions_hold_only_prices_that_the_position_lived_through() -> None:
    # stopped at 80 in minute 1 before its high 190, and not lower than 80 although the candle fell to 50
    stopped = position_of(play((0, 100, 120, 90, 100), (1, 100, 190, 50, 60), stop_loss=0.2))
    assert stopped.mfe == pytest.approx(0.2, abs=1e-12)
    assert stopped.mae == pytest.approx(-0.2, abs=1e-12)
    # a gap sells at the open 60: nothing else of that candle was met
    gapped = position_of(play((0, 100, 120, 90, 100), (1, 60, 190, 50, 60), stop_loss=0.2))
    assert (gapped.mfe, gapped.mae) == (pytest.approx(0.2, abs=1e-12), pytest.approx(-0.4, abs=1e-12))
    # sold at the target 150: the high 190 came later
    sold = position_of(play((0, 100, 190, 90, 100), take_profit=[[0.5, 1.0]]))
    assert (sold.mfe, sold.mae) == (pytest.approx(0.5, abs=1e-12), pytest.approx(-0.1, abs=1e-12))


# C1: inputs


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        ((100, 101, float("nan"), 100), "price_not_finite"),
        ((100, float("inf"), 99, 100), "price_not_finite"),
        ((100, 101, 0, 100), "price_not_positive"),
        ((100, 101, 100.5, 101), "low_above_open_or_close"),
        ((100, 100.5, 99, 101), "high_below_open_or_close"),
    ],
)
def test_a_candle_that_contradicts_itself_makes_the_alert_bad_data(prices: tuple[float, ...], reason: str) -> None:
    held = play((0, *FLAT), (1, *prices), (2, *FLAT), stop_loss=0.2)  # type: ignore[arg-type]
    assert (held.status, held.reason, held.position) == ("bad_data", reason, None)
    at_entry = play((0, *prices), (1, *FLAT), entry_mode="limit_dip", limit_pct=0.5, limit_ttl_min=5)  # type: ignore[arg-type]
    assert (at_entry.status, at_entry.reason) == ("bad_data", reason)
    unused = play((0, *FLAT), (1, *prices), max_hold_min=1)  # type: ignore[arg-type]
    assert unused.status == "closed"


@pytest.mark.parametrize(("minutes", "reason"), [((0, 0), "ts_not_ascending"), ((1, 0), "ts_not_ascending")])
def test_candles_out_of_order_are_bad_data(minutes: tuple[int, int], reason: str) -> None:
    assert play(*((minute, *FLAT) for minute in minutes)).reason == reason


def test_candles_off_the_grid_are_bad_data() -> None:
    series = draw((0, *FLAT), (1, *FLAT), t0_ms=T0_MS + 1_000)
    trade = simulate(series, alert_ts_ms=T0_MS, strategy=parse_strategy({"max_hold_min": 1}))
    assert (trade.status, trade.reason) == ("bad_data", "ts_off_grid")


def test_a_hold_that_cuts_a_candle_is_refused() -> None:
    series = draw((1, *FLAT), interval_min=5)
    with pytest.raises(StrategyError, match="max_hold_min 7 is not a multiple of the candle interval of 5 minutes"):
        simulate(series, alert_ts_ms=T0_MS, strategy=parse_strategy({"max_hold_min": 7}))


def test_five_minute_candles_close_after_five_minutes() -> None:
    # T0 is 20 s after a whole 5 minutes less 20 s: build on a 5-minute grid of its own
    grid = 1_750_000_200_000
    series = draw((0, 100, 101, 99, 100), (5, 100, 101, 79, 90), interval_min=5, t0_ms=grid)
    trade = simulate(series, alert_ts_ms=grid - 1, strategy=parse_strategy({"max_hold_min": 60, "stop_loss": 0.2}))
    assert position_of(trade).exit_ts_ms == grid + 10 * 60_000
