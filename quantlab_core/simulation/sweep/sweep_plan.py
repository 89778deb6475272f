"""What a sweep has to find out: its strategies, taken apart into thresholds that they share.

Strategies with one entry rule share entries; of those, strategies with one slippage share all levels, for levels are
multiples of the price paid. A threshold is kept as the factor with which the reference multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.outcome_codes import BREAKEVEN_STOP, STEP_STOP, STOP_LOSS, TRAILING_STOP
from quantlab_core.simulation.strategy import FRACTION_TOLERANCE, IntrabarPolicy, Strategy
from quantlab_core.simulation.sweep.entry_rule import EntryRule

POLICIES: tuple[IntrabarPolicy, ...] = ("stop_first", "target_first", "ohlc_path")
"""An intrabar policy's code is its position."""

CLOSE_LEVELS = 1e-9
"""Steps nearer to each other than this, one of them breakeven, may be one price with two names: for the reference."""

ENDED_BY_LEVELS, ENDED_BY_TRAILS = 1, 2

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """The distinct thresholds of strategies that share their price paid, as `first_touches` wants them.

    ``ended_by`` has the bit `ENDED_BY_LEVELS` when every strategy has a stop loss, so that none lives longer than its
    lowest level, and `ENDED_BY_TRAILS` when every one has a trailing stop that is live from the entry. ``needs_path``:
    some strategy has the policy ``ohlc_path``.
    """

    low_factor: Floats
    trail_factor: Floats
    target_factor: Floats
    arm_factor: Floats
    armed_low_arm: Whole
    armed_low_factor: Floats
    armed_trail_arm: Whole
    armed_trail_factor: Floats
    ended_by: int
    needs_path: bool

    @property
    def n_stops(self) -> int:
        """Rows of the table of stops."""
        return len(self.low_factor) + len(self.trail_factor) + len(self.armed_low_arm) + len(self.armed_trail_arm)


@dataclass(frozen=True, slots=True, eq=False)
class ExitPlans:
    """The strategies of one group in numbers, ordered by plan (stops, holding time, policy); see `price_exits`."""

    plan_offsets: Whole
    plan_stop: Whole
    plan_stop_reason: npt.NDArray[np.int8]
    plan_policy: Whole
    plan_hold: Whole
    plan_set_offsets: Whole
    set_row: Whole
    rung_offsets: Whole
    rung_target: Whole
    rung_fraction: Floats
    slippage: Floats
    fee: Floats
    entry_factor: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SlippageGroup:
    """Strategies of one entry rule and slippage."""

    slippage: float
    thresholds: Thresholds
    plans: ExitPlans


@dataclass(frozen=True, slots=True, eq=False)
class EntryGroup:
    """Strategies of one entry rule. ``set_row`` and ``set_hold`` say of each its row and its place in ``hold_ms``."""

    rule: EntryRule
    hold_ms: Whole
    set_row: Whole
    set_hold: Whole
    groups: tuple[SlippageGroup, ...]


def is_covered(strategy: Strategy) -> bool:
    """Whether the sweep gives the reference's answer; otherwise the reference has to.

    Not covered: a breakeven step beside another step at almost the same level. Which of them armed first would decide
    the name of the exit.
    """
    others = [step.level for step in strategy.stop_steps if step.level != 0]
    has_breakeven = len(others) < len(strategy.stop_steps)
    return not (has_breakeven and any(abs(level) < CLOSE_LEVELS for level in others))


def sweep_plan(strategies: Sequence[Strategy], rows: Sequence[int]) -> tuple[EntryGroup, ...]:
    """The groups of ``strategies``; ``rows`` are their rows in the outcomes."""
    by_rule: dict[EntryRule, list[int]] = {}
    for number, strategy in enumerate(strategies):
        by_rule.setdefault(EntryRule.of(strategy), []).append(number)
    return tuple(_entry_group(rule, strategies, rows, numbers) for rule, numbers in by_rule.items())


def _entry_group(
    rule: EntryRule, strategies: Sequence[Strategy], rows: Sequence[int], numbers: Sequence[int]
) -> EntryGroup:
    holds = sorted({strategies[number].max_hold_min for number in numbers})
    hold_index = {hold: index for index, hold in enumerate(holds)}
    by_slippage: dict[float, list[int]] = {}
    for number in numbers:
        by_slippage.setdefault(strategies[number].slippage, []).append(number)
    groups = []
    for slippage, members in by_slippage.items():
        catalogue = _Catalogue.of([strategies[number] for number in members])
        plans = _exit_plans(catalogue, strategies, rows, members, hold_index)
        groups.append(SlippageGroup(slippage, catalogue.thresholds(), plans))
    return EntryGroup(
        rule,
        np.array(holds, dtype=np.int64) * 60_000,
        np.array([rows[number] for number in numbers], dtype=np.int64),
        np.array([hold_index[strategies[number].max_hold_min] for number in numbers], dtype=np.int64),
        tuple(groups),
    )


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """Where each threshold of a group stands: positions by factor, of armed stops by (factor of the arm, factor)."""

    lows: dict[float, int]
    trails: dict[float, int]
    targets: dict[float, int]
    arms: dict[float, int]
    armed_lows: dict[tuple[float, float], int]
    armed_trails: dict[tuple[float, float], int]
    ended_by: int
    needs_path: bool

    @classmethod
    def of(cls, strategies: Sequence[Strategy]) -> _Catalogue:
        lows = {1.0 - one.stop_loss for one in strategies if one.stop_loss is not None}
        trails = {1.0 - one.trailing_stop for one in strategies if _trails_at_once(one) and one.trailing_stop}
        targets = {1.0 + rung.gain for one in strategies for rung in one.take_profit}
        armed_lows = {(1.0 + step.trigger, 1.0 + step.level) for one in strategies for step in one.stop_steps}
        armed_trails = {
            (1.0 + one.trailing_activation, 1.0 - one.trailing_stop)
            for one in strategies
            if one.trailing_stop is not None and not _trails_at_once(one)
        }
        arms = {arm for arm, _ in armed_lows | armed_trails}
        ended_by = ENDED_BY_LEVELS if all(one.stop_loss is not None for one in strategies) else 0
        ended_by |= ENDED_BY_TRAILS if all(_trails_at_once(one) for one in strategies) else 0
        return cls(
            lows={factor: index for index, factor in enumerate(sorted(lows, reverse=True))},
            trails={factor: index for index, factor in enumerate(sorted(trails, reverse=True))},
            targets={factor: index for index, factor in enumerate(sorted(targets))},
            arms={factor: index for index, factor in enumerate(sorted(arms))},
            armed_lows={pair: index for index, pair in enumerate(sorted(armed_lows))},
            armed_trails={pair: index for index, pair in enumerate(sorted(armed_trails))},
            ended_by=ended_by,
            needs_path=any(one.intrabar == "ohlc_path" for one in strategies),
        )

    def stops(self, strategy: Strategy) -> tuple[tuple[int, int], ...]:
        """(row of the table of stops, exit reason) of each stop, the one that names a tie first."""
        found = []
        if strategy.stop_loss is not None:
            found.append((self.lows[1.0 - strategy.stop_loss], STOP_LOSS))
        begin = len(self.lows) + len(self.trails)
        for step in strategy.stop_steps:
            index = self.armed_lows[1.0 + step.trigger, 1.0 + step.level]
            found.append((begin + index, BREAKEVEN_STOP if step.level == 0 else STEP_STOP))
        if strategy.trailing_stop is not None:
            factor = 1.0 - strategy.trailing_stop
            if _trails_at_once(strategy):
                index = len(self.lows) + self.trails[factor]
            else:
                index = begin + len(self.armed_lows) + self.armed_trails[1.0 + strategy.trailing_activation, factor]
            found.append((index, TRAILING_STOP))
        return tuple(found)

    def thresholds(self) -> Thresholds:
        return Thresholds(
            low_factor=_floats(self.lows),
            trail_factor=_floats(self.trails),
            target_factor=_floats(self.targets),
            arm_factor=_floats(self.arms),
            armed_low_arm=_whole([self.arms[arm] for arm, _ in self.armed_lows]),
            armed_low_factor=_floats([factor for _, factor in self.armed_lows]),
            armed_trail_arm=_whole([self.arms[arm] for arm, _ in self.armed_trails]),
            armed_trail_factor=_floats([factor for _, factor in self.armed_trails]),
            ended_by=self.ended_by,
            needs_path=self.needs_path,
        )


@dataclass(slots=True)
class _Member:
    row: int
    strategy: Strategy
    rungs: list[tuple[int, float]] = field(default_factory=list)


def _exit_plans(
    catalogue: _Catalogue,
    strategies: Sequence[Strategy],
    rows: Sequence[int],
    numbers: Sequence[int],
    hold_index: dict[int, int],
) -> ExitPlans:
    by_plan: dict[tuple[tuple[tuple[int, int], ...], int, int], list[_Member]] = {}
    for number in numbers:
        strategy = strategies[number]
        key = catalogue.stops(strategy), hold_index[strategy.max_hold_min], POLICIES.index(strategy.intrabar)
        by_plan.setdefault(key, []).append(_Member(rows[number], strategy, _rungs(catalogue, strategy)))
    members = [member for group in by_plan.values() for member in group]
    stops = [stop for plan_stops, _, _ in by_plan for stop in plan_stops]
    rungs = [rung for member in members for rung in member.rungs]
    return ExitPlans(
        plan_offsets=_offsets([len(plan_stops) for plan_stops, _, _ in by_plan]),
        plan_stop=_whole([index for index, _ in stops]),
        plan_stop_reason=np.array([reason for _, reason in stops], dtype=np.int8),
        plan_policy=_whole([policy for _, _, policy in by_plan]),
        plan_hold=_whole([hold for _, hold, _ in by_plan]),
        plan_set_offsets=_offsets([len(group) for group in by_plan.values()]),
        set_row=_whole([member.row for member in members]),
        rung_offsets=_offsets([len(member.rungs) for member in members]),
        rung_target=_whole([target for target, _ in rungs]),
        rung_fraction=_floats([fraction for _, fraction in rungs]),
        slippage=_floats([member.strategy.slippage for member in members]),
        fee=_floats([member.strategy.fee for member in members]),
        entry_factor=_floats([1.0 + member.strategy.slippage for member in members]),
    )


def _rungs(catalogue: _Catalogue, strategy: Strategy) -> list[tuple[int, float]]:
    """(target, fraction that it sells) up to the rung that sells the rest, which is the last that can be reached."""
    left, rungs = 1.0, []
    for rung in strategy.take_profit:
        is_all = left - rung.fraction <= FRACTION_TOLERANCE
        sold = left if is_all else rung.fraction
        rungs.append((catalogue.targets[1.0 + rung.gain], sold))
        left -= sold
        if is_all:
            break
    return rungs


def _trails_at_once(strategy: Strategy) -> bool:
    return strategy.trailing_stop is not None and strategy.trailing_activation == 0


def _floats(values: Sequence[float] | dict[float, int]) -> Floats:
    return np.array(list(values), dtype=np.float64)


def _whole(values: Sequence[int]) -> Whole:
    return np.array(values, dtype=np.int64)


def _offsets(lengths: Sequence[int]) -> Whole:
    return np.concatenate(([0], np.cumsum(_whole(lengths)))).astype(np.int64)
