"""Rows of a candle table: every rule with a worked case, and the laws that hold for all tables."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.validation import RULES, ValidatedCandles, validate_candles
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import MINUTE, TOKEN, candle, minute, numbered

LATER = minute(10_000)
OTHER = Token("base", "0x4200000000000000000000000000000000000001")


def validate(rows: list[dict[str, Any]], **arguments: Any) -> ValidatedCandles:
    return validate_candles(numbered(rows), **{"resolution": MINUTE, "as_of": LATER, **arguments})


def rules_of(validated: ValidatedCandles) -> list[tuple[int, str]]:
    return [(rejection.row_number, rejection.rule_id) for rejection in validated.rejections]


def test_good_candles_come_out_sorted_by_token_and_time() -> None:
    validated = validate([candle(2), candle(1, token=OTHER), candle(1)])
    assert validated.candles.schema.equals(CANDLE_SCHEMA)
    assert [(row["chain"], row["ts"]) for row in validated.candles.to_pylist()] == [
        ("base", minute(1)),
        ("solana", minute(1)),
        ("solana", minute(2)),
    ]
    assert validated.rejections == ()


@pytest.mark.parametrize(
    ("broken", "rule_id", "reason"),
    [
        ({"high": 0.5}, "high_below_low", "high is below low: open 2.0, high 0.5, low 1.0, close 3.0"),
        ({"open": 4.5}, "open_close_outside_range", "open or close is outside low to high"),
        ({"close": 0.9}, "open_close_outside_range", "open or close is outside low to high"),
        ({"low": 0.0}, "price_not_positive", "a price is zero or negative"),
        ({"open": -2.0}, "price_not_positive", "a price is zero or negative"),
        ({"high": math.inf}, "price_not_finite", "a price is missing or infinite"),
        ({"close": math.nan}, "price_not_finite", "a price is missing or infinite"),
        ({"open": None}, "price_not_finite", "open nan"),
        ({"volume": -1.0}, "volume_negative", "volume -1.0 is negative or infinite"),
        ({"volume": math.inf}, "volume_negative", "volume inf is negative or infinite"),
        ({"ts": minute(5) + timedelta(seconds=30)}, "time_unaligned", "2025-05-01T00:05:30Z is no multiple of 0:01:00"),
    ],
)
def test_a_broken_row_is_rejected_with_its_rule_and_reason(broken: dict[str, Any], rule_id: str, reason: str) -> None:
    validated = validate([candle(1), {**candle(5), **broken}])
    assert rules_of(validated) == [(2, rule_id)]
    assert reason in validated.rejections[0].reason
    assert validated.candles["ts"].to_pylist() == [minute(1)]


def test_an_edge_of_the_range_is_inside_it() -> None:
    assert (
        validate([candle(1, open=1.0, close=4.0), candle(2, open=1.0, high=1.0, low=1.0, close=1.0)]).rejections == ()
    )


def test_only_the_first_broken_rule_is_recorded() -> None:
    assert rules_of(validate([candle(1, high=0.5, volume=-1.0)])) == [(1, "high_below_low")]


def test_the_open_candle_is_dropped_and_what_opens_later_is_rejected() -> None:
    validated = validate([candle(8), candle(9), candle(10), candle(11)], as_of=minute(10))
    assert validated.candles["ts"].to_pylist() == [minute(8), minute(9)]
    assert (validated.open_candles, rules_of(validated)) == (1, [(4, "time_in_future")])
    assert validated.rejections[0].reason == "opens at 2025-05-01T00:11:00Z, after 2025-05-01T00:10:00Z"


def test_the_open_candle_is_dropped_wherever_its_source_stamps_it() -> None:
    stray = candle(minute(9) + timedelta(seconds=40))
    assert validate([stray], as_of=minute(9) + timedelta(seconds=45)).open_candles == 1


def test_alignment_and_closing_follow_the_resolution() -> None:
    validated = validate([candle(0), candle(5), candle(7), candle(10)], resolution=RESOLUTIONS["5m"], as_of=minute(14))
    assert validated.candles["ts"].to_pylist() == [minute(0), minute(5)]
    assert (validated.open_candles, rules_of(validated)) == (1, [(3, "time_unaligned")])


def test_a_minute_that_the_source_states_as_empty_is_counted_not_rejected() -> None:
    empty = dict.fromkeys(("open", "high", "low", "close"))
    validated = validate([{**candle(1), **empty, "volume": None}, {**candle(2), **empty, "volume": 0.0}])
    assert (validated.empty_minutes, validated.rejections, validated.candles.num_rows) == (2, (), 0)
    assert rules_of(validate([{**candle(1), **empty}])) == [(1, "price_not_finite")]


def test_flat_candles_without_volume_are_ordinary_candles() -> None:
    flat = candle(1, open=2.0, high=2.0, low=2.0, close=2.0, volume=0.0)
    assert validate([flat]).candles.to_pylist() == [flat]


def test_unknown_volume_stays_unknown_and_negative_zero_becomes_zero() -> None:
    validated = validate([candle(1, volume=math.nan), candle(2, volume=None), candle(3, volume=-0.0)])
    volumes = validated.candles["volume"].to_pylist()
    assert volumes == [None, None, 0.0]
    assert math.copysign(1, volumes[2]) == 1


def test_equal_duplicates_are_dropped_and_counted() -> None:
    validated = validate([candle(1), candle(1), candle(2, volume=None), candle(2, volume=None), candle(1)])
    assert (validated.candles.num_rows, validated.equal_duplicates, validated.rejections) == (2, 3, ())


def test_of_conflicting_duplicates_the_larger_volume_stays_and_the_losers_are_quarantined() -> None:
    validated = validate([candle(1, volume=19.9), candle(1, volume=51918.0, close=2.5), candle(1, volume=None)])
    assert validated.candles["close"].to_pylist() == [2.5]
    assert rules_of(validated) == [(1, "conflicting_duplicate"), (3, "conflicting_duplicate")]
    assert validated.rejections[0].reason.startswith("row 2 has the same token and time")


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"high": 5.0}, {"high": 4.0}),
        ({"low": 0.5}, {"low": 1.0}),
        ({"close": 3.5}, {"close": 3.0}),
        ({"open": 2.5}, {"open": 2.0}),
    ],
)
def test_with_equal_volume_the_wider_candle_stays(winner: dict[str, float], loser: dict[str, float]) -> None:
    for rows in ([candle(1, **winner), candle(1, **loser)], [candle(1, **loser), candle(1, **winner)]):
        assert validate(rows).candles.to_pylist() == [candle(1, **winner)]


def test_a_broken_row_does_not_win_over_a_good_one() -> None:
    validated = validate([candle(1), candle(1, volume=99.0, low=-1.0)])
    assert (validated.candles.num_rows, rules_of(validated)) == (1, [(2, "price_not_positive")])


def test_a_table_without_rows_has_no_candles() -> None:
    validated = validate([])
    assert (validated.candles.num_rows, validated.rejections) == (0, ())
    assert validated.candles.schema.equals(CANDLE_SCHEMA)


PRICE = st.sampled_from([None, -1.0, 0.0, 1.0, 2.0, 3.0, math.inf, math.nan])
ROWS = st.lists(
    st.builds(
        candle,
        st.one_of(st.integers(0, 12), st.builds(lambda s: minute(0) + timedelta(seconds=s), st.integers(0, 700))),
        token=st.sampled_from([TOKEN, OTHER]),
        volume=st.sampled_from([None, -1.0, 0.0, 1.0, 2.0, math.nan]),
        open=PRICE, close=PRICE, high=st.sampled_from([3.0, 2.0, 1.0]), low=st.sampled_from([1.0, 2.0]),
    ),
    max_size=30,
)  # fmt: skip


@settings(deadline=None, max_examples=150, derandomize=True)
@given(ROWS)
def test_every_row_ends_in_exactly_one_place(rows: list[dict[str, Any]]) -> None:
    validated = validate(rows, as_of=minute(10))
    dropped = validated.equal_duplicates + validated.open_candles + validated.empty_minutes
    assert validated.candles.num_rows + len(validated.rejections) + dropped == len(rows)
    rejected = [rejection.row_number for rejection in validated.rejections]
    assert len(set(rejected)) == len(rejected)
    assert {rejection.rule_id for rejection in validated.rejections} <= set(RULES)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(ROWS, st.integers(0, 2**32))
def test_the_order_of_rows_changes_nothing(rows: list[dict[str, Any]], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    one, other = (validate(order, as_of=minute(10)) for order in (rows, shuffled))
    assert one.candles.equals(other.candles)
    assert sorted(r.rule_id for r in one.rejections) == sorted(r.rule_id for r in other.rejections)
    assert (one.equal_duplicates, one.open_candles) == (other.equal_duplicates, other.open_candles)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(ROWS)
def test_valid_candles_are_valid_again(rows: list[dict[str, Any]]) -> None:
    once = validate(rows, as_of=minute(10)).candles
    numbers = pa.array(range(1, once.num_rows + 1), pa.int64())
    again = validate_candles(once.append_column("row_number", numbers), resolution=MINUTE, as_of=minute(10))
    assert again.candles.equals(once)
    assert again.rejections == ()


def flat_row(number: int, price: float = 5.0, volume: float | None = 0.0, token: Token = TOKEN) -> dict[str, Any]:
    return candle(number, token=token, open=price, high=price, low=price, close=price, volume=volume)


def test_flat_rows_before_the_first_trade_are_no_candles_where_a_source_makes_them_up() -> None:
    """Minutes 0 and 1 are filled, 2 is traded, 3 is silence after a trade; the other token never traded."""
    rows = [flat_row(0), flat_row(1), candle(2), flat_row(3, 3.0), flat_row(0, token=OTHER), flat_row(9, token=OTHER)]
    kept = validate_candles(numbered(rows), resolution=MINUTE, as_of=LATER)
    assert (kept.candles.num_rows, kept.empty_minutes) == (6, 0)
    told = validate_candles(numbered(rows), resolution=MINUTE, as_of=LATER, fills_before_first_trade=True)
    assert (told.candles["ts"].to_pylist(), told.empty_minutes) == ([minute(2), minute(3)], 4)


def test_a_flat_row_of_unknown_volume_may_have_been_a_trade() -> None:
    rows = numbered([flat_row(0, volume=None), flat_row(1)])
    told = validate_candles(rows, resolution=MINUTE, as_of=LATER, fills_before_first_trade=True)
    assert (told.candles.num_rows, told.empty_minutes) == (2, 0)


def test_rows_fetched_at_different_times_have_different_open_candles() -> None:
    rows = numbered([candle(0), candle(1), candle(0, token=OTHER), candle(1, token=OTHER)])
    half_past = [minute(1) + MINUTE / 2] * 2 + [None, minute(900)]
    table = rows.append_column("fetched_at", pa.array(half_past, pa.timestamp("us", "UTC")))
    result = validate_candles(table, resolution=MINUTE, as_of=minute(2))
    assert (result.candles.num_rows, result.open_candles, result.rejections) == (3, 1, ())


def test_a_row_after_its_own_fetch_is_in_the_future() -> None:
    table = numbered([candle(5)]).append_column("fetched_at", pa.array([minute(3)], pa.timestamp("us", "UTC")))
    (rejection,) = validate_candles(table, resolution=MINUTE, as_of=LATER).rejections
    assert (rejection.rule_id, rejection.reason) == (
        "time_in_future",
        "opens at 2025-05-01T00:05:00Z, after 2025-05-01T00:03:00Z",
    )


def preferred(rows: list[dict[str, Any]], preference: list[int]) -> ValidatedCandles:
    table = numbered(rows).append_column("preference", pa.array(preference, pa.int64()))
    return validate_candles(table, resolution=MINUTE, as_of=LATER)


def test_a_preferred_row_beats_a_larger_volume_and_the_rule_for_duplicates_decides_among_equals() -> None:
    result = preferred([candle(1, volume=70), candle(1, volume=10), candle(1, volume=9)], [1, 2, 2])
    assert result.candles["volume"].to_pylist() == [10.0]
    assert [(gone.row_number, gone.rule_id) for gone in result.rejections] == [
        (1, "conflicting_duplicate"),
        (3, "conflicting_duplicate"),
    ]
    assert "better quality" in result.rejections[0].reason


def test_an_equal_row_of_lower_preference_is_an_equal_duplicate() -> None:
    result = preferred(
        [candle(1), candle(1), candle(1, volume=None), candle(1, volume=None, token=OTHER)], [1, 2, 0, 0]
    )
    assert (result.candles.num_rows, result.equal_duplicates, len(result.rejections)) == (2, 1, 1)


def test_a_preferred_row_that_is_no_candle_beats_none() -> None:
    result = preferred([candle(1), candle(1, high=0.5)], [1, 2])
    assert result.candles.num_rows == 1
    assert [gone.rule_id for gone in result.rejections] == ["high_below_low"]
