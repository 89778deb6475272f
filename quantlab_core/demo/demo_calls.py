"""When who calls which token: first calls, other people's mentions, and callers who come back to their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from quantlab_core.demo.demo_cast import CALLERS, DAYS, Caller, DemoToken, Story
from quantlab_core.demo.dice import Dice

_SCHEDULE_STREAM = 2
_LAST_CALL_MIN = (DAYS + 1) * 1440 - 30
_FOLLOWERS = {Story.RUNNER: (4, 5), Story.WINNER: (2, 4), Story.GRINDER: (1, 3)}
_FEW_FOLLOWERS = (1, 2)
_RETURNS = {Story.RUNNER: 0.9, Story.WINNER: 0.5, Story.GRINDER: 0.4}
_RARE_RETURN = 0.15


class Wording(StrEnum):
    """How a call names its token."""

    ADDRESS = "address"  # the address and a few words
    TOKEN_LINK = "token_link"  # noqa: S105 - a link that holds the token's address
    POOL_LINK = "pool_link"  # a chart link that holds the pool's address: only a bot's reply tells the token


@dataclass(frozen=True, slots=True)
class Call:
    """One message that calls tokens, ``second`` seconds after the world's first minute."""

    second: int
    caller: Caller
    tokens: tuple[DemoToken, ...]
    wording: Wording
    is_first: bool


def scheduled_calls(seed: int, tokens: tuple[DemoToken, ...]) -> tuple[Call, ...]:
    """Every call in order of time; no two in the same second."""
    calls = [call for token in tokens for call in _calls_of(token, Dice(seed, _SCHEDULE_STREAM, token.index))]
    calls += _comparisons(tokens, Dice(seed, _SCHEDULE_STREAM, len(tokens)))
    taken: set[int] = set()
    unique = []
    for call in sorted(calls, key=lambda call: (call.second, call.tokens[0].index)):
        second = call.second
        while second in taken:
            second += 1
        taken.add(second)
        unique.append(Call(second, call.caller, call.tokens, call.wording, call.is_first))
    return tuple(sorted(unique, key=lambda call: call.second))


def _calls_of(token: DemoToken, dice: Dice) -> list[Call]:
    first = Call(
        token.first_call_min * 60 + dice.whole(1, 59),
        token.first_caller,
        (token,),
        _wording(token, dice),
        is_first=True,
    )
    calls = [first]
    others = [caller for caller in CALLERS if caller != token.first_caller]
    for _ in range(dice.whole(*_FOLLOWERS.get(token.story, _FEW_FOLLOWERS))):
        follower = others.pop(dice.whole(0, len(others) - 1))
        # Most gather right after the move; who is late by habit, and sometimes others, is hours behind.
        is_prompt = follower.lead_min[1] >= 0 and dice.chance(0.7)
        behind_min = dice.whole(2, 45) if is_prompt else dice.whole(60, 900)
        calls.append(_mention(token, follower, token.first_call_min + behind_min, dice))
    if dice.chance(_RETURNS.get(token.story, _RARE_RETURN)):
        calls.append(_mention(token, token.first_caller, token.first_call_min + dice.whole(120, 1500), dice))
    return [call for call in calls if call.second < _LAST_CALL_MIN * 60]


def _mention(token: DemoToken, caller: Caller, minute: int, dice: Dice) -> Call:
    return Call(minute * 60 + dice.whole(0, 59), caller, (token,), _wording(token, dice), is_first=False)


def _comparisons(tokens: tuple[DemoToken, ...], dice: Dice) -> list[Call]:
    """A few messages that name two tokens of the same day, after both were called."""
    calls = []
    for day in range(1, DAYS, 3):
        pair = tuple(token for token in tokens if token.day == day)[:2]
        minute = max(token.first_call_min for token in pair) + dice.whole(20, 90)
        calls.append(Call(minute * 60 + dice.whole(0, 59), dice.pick(CALLERS), pair, Wording.ADDRESS, is_first=False))
    return calls


def _wording(token: DemoToken, dice: Dice) -> Wording:
    if token.chain != "solana":
        return Wording.TOKEN_LINK
    draw = dice.unit()
    if draw < 0.80:
        return Wording.ADDRESS
    return Wording.TOKEN_LINK if draw < 0.93 else Wording.POOL_LINK
