"""Partition keys: laws of the ranges in which days are run, and the grammar of keys that come from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_assets.partitions import TOKENS, add_partitions, checked_key, day_of, day_ranges
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.errors import InvalidInputError
from quantlab_resources.first_day import first_day
from quantlab_resources.lab import Lab
from quantlab_resources.progress import ProgressListener, PublishedUnit

BASE = date(2025, 5, 1)
days = st.sets(st.integers(0, 60).map(lambda offset: BASE + timedelta(days=offset)), max_size=25)
bridges = st.integers(0, 6)
laws = settings(deadline=None, max_examples=150, derandomize=True)


def parsed(ranges: list[tuple[str, str]]) -> list[tuple[date, date]]:
    return [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in ranges]


def days_in(ranges: list[tuple[date, date]]) -> Iterator[date]:
    for first, last in ranges:
        for offset in range((last - first).days + 1):
            yield first + timedelta(days=offset)


@laws
@given(days, bridges)
def test_ranges_cover_every_day_in_order_and_never_overlap(wanted: set[date], bridge_days: int) -> None:
    covered = list(days_in(parsed(day_ranges(wanted, bridge_days=bridge_days))))
    assert wanted <= set(covered)
    assert covered == sorted(set(covered))


@laws
@given(days, bridges)
def test_ranges_begin_and_end_on_wanted_days(wanted: set[date], bridge_days: int) -> None:
    for first, last in parsed(day_ranges(wanted, bridge_days=bridge_days)):
        assert {first, last} <= wanted


@laws
@given(days, bridges)
def test_gaps_are_bridged_up_to_the_limit_and_no_further(wanted: set[date], bridge_days: int) -> None:
    ranges = parsed(day_ranges(wanted, bridge_days=bridge_days))
    for (_, last), (first, _) in pairwise(ranges):
        assert (first - last).days - 1 > bridge_days
    idle = [day for day in days_in(ranges) if day not in wanted]
    for day in idle:
        before, after = max(d for d in wanted if d < day), min(d for d in wanted if d > day)
        assert (after - before).days - 1 <= bridge_days


@laws
@given(st.lists(st.sampled_from([BASE, BASE + timedelta(days=1), BASE + timedelta(days=9)])))
def test_order_and_repetition_of_the_days_do_not_matter(wanted: list[date]) -> None:
    assert day_ranges(wanted) == day_ranges(sorted(set(wanted)))


@laws
@given(days, days, bridges)
def test_no_range_reaches_over_a_barred_day_that_is_not_wanted(
    wanted: set[date], barred: set[date], bridge_days: int
) -> None:
    covered = list(days_in(parsed(day_ranges(wanted, bridge_days=bridge_days, never=barred))))
    assert wanted <= set(covered)
    assert covered == sorted(set(covered))
    assert not set(covered) & (barred - wanted)


def test_two_idle_days_are_bridged_and_three_are_not() -> None:
    assert day_ranges([date(2025, 5, 1), date(2025, 5, 4)]) == [("2025-05-01", "2025-05-04")]
    assert day_ranges([date(2025, 5, 1), date(2025, 5, 5)]) == [
        ("2025-05-01", "2025-05-01"),
        ("2025-05-05", "2025-05-05"),
    ]


@laws
@given(st.dates())
def test_a_day_and_its_key_are_one(day: date) -> None:
    assert day_of(day.isoformat()) == day


@pytest.mark.parametrize("key", ["solana:So11111111111111111111111111111111111111112", "run_1", "a.b+c-d", "x" * 200])
def test_usable_keys_pass_as_they_are(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize("key", ["", "..", "a/b", "a b", "a'--", "a\nb", "a...b", "ключ", "x" * 201, "a,b", 'a"b'])
def test_keys_outside_the_grammar_are_refused_before_dagster_sees_them(key: str, instance: dg.DagsterInstance) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a partition key") as raised:
        add_partitions(instance, TOKENS, ["fine", key])
    assert "\n" not in str(raised.value)
    assert instance.get_dynamic_partitions("tokens") == []


def test_adding_keys_again_changes_nothing(instance: dg.DagsterInstance) -> None:
    add_partitions(instance, TOKENS, ["b", "a"])
    add_partitions(instance, TOKENS, ["a", "c", "a"])
    assert instance.get_dynamic_partitions("tokens") == ["a", "b", "c"]


def test_a_first_day_that_is_no_date_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLAB_FIRST_DAY", "2020-13-01")
    with pytest.raises(InvalidInputError, match="QUANTLAB_FIRST_DAY is '2020-13-01'"):
        first_day()


def test_days_outside_the_graph_are_refused_and_nothing_runs(lab: Lab, instance: dg.DagsterInstance) -> None:
    runs = LakeRuns(lab, instance)
    tomorrow = lab.clock.now().date() + timedelta(days=1)
    for outside in (first_day() - timedelta(days=1), tomorrow):
        with pytest.raises(InvalidInputError, match=outside.isoformat()):
            runs.materialize_days("too far", ["alerts"], [BASE, outside])
    assert instance.get_runs() == []


class Watching:
    """Keeps what a person would be shown."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []
        self.seen: list[tuple[str, str | None]] = []

    def stage(self, title: str, total: int | None) -> Watching:
        self.totals.append(total)
        return self

    def __enter__(self) -> ProgressListener:
        return self.note

    def __exit__(self, *_error: object) -> None:
        return None

    def note(self, unit: PublishedUnit) -> None:
        self.seen.append((unit.asset, unit.partition))


def test_today_is_a_day_and_progress_counts_every_asset_of_every_day(lab: Lab, instance: dg.DagsterInstance) -> None:
    watching = Watching()
    runs = LakeRuns(lab, instance, watching)
    today = lab.clock.now().date()
    runs.materialize_days("Finding alerts", ["alert_events", "alerts"], [today, today - timedelta(days=1), BASE])
    assert watching.totals == [6]
    assert sorted(watching.seen) == sorted(
        (asset, day.isoformat())
        for asset in ("alert_events", "alerts")
        for day in (BASE, today - timedelta(days=1), today)
    )
