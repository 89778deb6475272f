"""Rule C8 on real calls: whatever is done to the future of an instant, what was certain then stays as it was.

The audit trusts no engine. Each call is simulated on its candles, then on candles of which something was cut or
changed that the engine could not have known, and both answers are compared to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from quantlab_core.simulation.lookahead.call_window import CallWindow, packed
from quantlab_core.simulation.lookahead.observed_trade import AuditedEngine, Facts, Fill, ObservedTrade
from quantlab_core.simulation.strategy import Strategy

FUTURE_CUT = "future_cut"
FUTURE_CHANGED = "future_changed"
PAST_CHANGED = "past_changed"
AFTER_DEADLINE = "after_deadline_changed"
INSIDE_CANDLE = "inside_candle"
ENTRY_AFTER_CALL = "entry_after_call"
CHECKS = {
    FUTURE_CUT: "cutting the candles at an instant leaves every fill that was known then",
    FUTURE_CHANGED: "other prices after an instant leave every fill that was known then",
    PAST_CHANGED: "other candles before the entry may begin change nothing",
    AFTER_DEADLINE: "other candles from the deadline on change nothing",
    INSIDE_CANDLE: "a sale at a level does not depend on what its candle did afterwards",
    ENTRY_AFTER_CALL: "the entry candle opens after the call and the entry delay",
}
"""What each check says."""

WILD_FACTORS = (1_000.0, 0.001)
CALLS_AT_ONCE = 20
"""So many calls are audited together: some 900 windows of a day of minutes, 50 MB."""
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class LookaheadFailure:
    """One comparison that failed: of the call with this number, with the future of ``tau_ms`` (epoch ms) changed."""

    check: str
    call: int
    tau_ms: int | None
    message: str


@dataclass(slots=True)
class LookaheadFindings:
    """Comparisons made, by check, and those that failed."""

    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHECKS, 0))
    failures: list[LookaheadFailure] = field(default_factory=list)


Known = Callable[[ObservedTrade], Facts]


@dataclass(frozen=True, slots=True)
class _Trial:
    """A changed window, and which part of the answer must not change with it."""

    check: str
    call: int
    tau_ms: int | None
    window: CallWindow
    known: Known


def audited(
    engine: AuditedEngine, windows: Sequence[CallWindow], strategy: Strategy, *, seed: int, instants: int
) -> tuple[list[ObservedTrade], LookaheadFindings]:
    """What ``engine`` does with each call, and what the audit found; calls are numbered as ``windows`` are.

    Beside the instants at which something happens, ``instants`` more are drawn for each call; equal seeds draw
    equal ones. Calls whose candles are ``bad_data`` are not judged: a fault anywhere in their window settles them.
    """
    observed: list[ObservedTrade] = []
    findings = LookaheadFindings()
    draw = np.random.default_rng(seed)
    for start in range(0, len(windows), CALLS_AT_ONCE):
        part = windows[start : start + CALLS_AT_ONCE]
        bases = engine.observe(*packed(part))
        observed.extend(bases)
        trials = [
            trial
            for number, (window, base) in enumerate(zip(part, bases, strict=True))
            if base.summary[0] != "bad_data"
            for trial in _trials(start + number, window, base, strategy, draw, instants)
        ]
        answers = engine.observe(*packed([trial.window for trial in trials])) if trials else []
        for trial, answer in zip(trials, answers, strict=True):
            _judge(findings, trial, trial.known(bases[trial.call - start]), trial.known(answer))
        for number, (window, base) in enumerate(zip(part, bases, strict=True)):
            _judge_entry(findings, start + number, window, base)
    return observed, findings


def _judge(findings: LookaheadFindings, trial: _Trial, known: Facts, answer: Facts) -> None:
    findings.checked[trial.check] += 1
    if known != answer:
        message = f"was {_shown(known, answer)}, became {_shown(answer, known)}"
        findings.failures.append(LookaheadFailure(trial.check, trial.call, trial.tau_ms, message))


def _judge_entry(findings: LookaheadFindings, call: int, window: CallWindow, base: ObservedTrade) -> None:
    if not base.fills:
        return
    findings.checked[ENTRY_AFTER_CALL] += 1
    opened_ms = base.fills[0].candle_ts_ms
    if opened_ms <= window.first_ms:
        message = f"the entry candle opened {(window.first_ms - opened_ms) / 1_000:g} s before it could be used"
        findings.failures.append(LookaheadFailure(ENTRY_AFTER_CALL, call, opened_ms, message))


def _trials(
    call: int, window: CallWindow, base: ObservedTrade, strategy: Strategy, draw: np.random.Generator, instants: int
) -> Iterator[_Trial]:
    for tau_ms in _instants(window, base, draw, instants):
        yield _Trial(FUTURE_CUT, call, tau_ms, window.cut(tau_ms), _known_by(tau_ms, window, sees_open=False))
        for factor in WILD_FACTORS:
            changed = window.with_changed_future(tau_ms, factor)
            yield _Trial(FUTURE_CHANGED, call, tau_ms, changed, _known_by(tau_ms, window, sees_open=True))
    ts_ms = window.series.ts_ms
    parts = [(PAST_CHANGED, window.first_ms, ts_ms <= window.first_ms)]
    if base.fills:
        deadline_ms = base.fills[0].candle_ts_ms + strategy.max_hold_min * 60_000
        parts.append((AFTER_DEADLINE, deadline_ms, ts_ms >= deadline_ms))
    for check, tau_ms, rows in parts:
        if rows.any():
            for factor in (*WILD_FACTORS, float("nan")):
                yield _Trial(check, call, tau_ms, window.with_changed(rows, factor), _whole)
            yield _Trial(check, call, tau_ms, window.without(rows), _whole)
    yield from _trials_inside_candles(call, window, base)


def _instants(window: CallWindow, base: ObservedTrade, draw: np.random.Generator, instants: int) -> list[int]:
    """The instants of the call's fills, of its deadline and one candle earlier, and some between: on the grid."""
    interval_ms = window.interval_ms
    happened = {fill.known_ms(interval_ms, sees_open=sees_open) for fill in base.fills for sees_open in (True, False)}
    if base.settled_ms is not None:
        happened.add(base.settled_ms)
    first, last = window.first_ms // interval_ms + 1, window.last_ms // interval_ms + 1
    drawn = {number * interval_ms for number in draw.integers(first, last, instants, endpoint=True).tolist()}
    return sorted(drawn | happened | {instant_ms - interval_ms for instant_ms in happened})


def _trials_inside_candles(call: int, window: CallWindow, base: ObservedTrade) -> Iterator[_Trial]:
    series = window.series
    sales_in: dict[int, list[Fill]] = {}
    for fill in base.fills[1:]:
        sales_in.setdefault(fill.candle_ts_ms, []).append(fill)
    for number, fill in enumerate(base.fills):
        if not fill.is_level:
            continue
        row = window.row_of(fill.candle_ts_ms)
        open_, high, low, close = (
            float(values[row]) for values in (series.open, series.high, series.low, series.close)
        )
        first_fills = _first_fills(number + 1)
        other_close = low if close - low > high - close else high
        yield _Trial(INSIDE_CANDLE, call, fill.ts_ms, window.with_price("close", row, other_close), first_fills)
        # With a stop and a target in one candle the order of low and high decides, which is the policy's to say.
        kinds = {sale.is_stop for sale in sales_in[fill.candle_ts_ms] if sale.is_level}
        if kinds == {True}:
            lower = window.with_price("high", row, max(open_, close))
            yield _Trial(INSIDE_CANDLE, call, fill.ts_ms, lower, first_fills)
        elif kinds == {False}:
            higher = window.with_price("low", row, min(open_, close))
            yield _Trial(INSIDE_CANDLE, call, fill.ts_ms, higher, first_fills)


def _known_by(tau_ms: int, window: CallWindow, *, sees_open: bool) -> Known:
    return lambda trade: trade.known(tau_ms, window.interval_ms, sees_open=sees_open)


def _first_fills(count: int) -> Known:
    return lambda trade: tuple(fill.facts for fill in trade.fills[:count])


def _whole(trade: ObservedTrade) -> Facts:
    return trade.whole


def _shown(facts: Facts, other: Facts) -> str:
    """The facts in which two answers differ."""
    differing = facts if len(facts) != len(other) else tuple(a for a, b in zip(facts, other, strict=True) if a != b)
    text = ", ".join(map(str, differing)) or "nothing"
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
