"""The call group's chat as Telegram Desktop exports it: calls, the bots' answers, edits, and everything between.

``date`` is the local time of the computer that exported, two hours ahead of UTC, as real exports have it;
``date_unixtime`` is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from quantlab_core.demo.demo_bot_cards import FirstCall, Quote, phanes_card, rick_card
from quantlab_core.demo.demo_calls import Call, Wording
from quantlab_core.demo.demo_candles import TokenPath
from quantlab_core.demo.demo_cast import SUPPLY, DemoToken
from quantlab_core.demo.demo_chatter import Aside
from quantlab_core.demo.dice import Dice
from quantlab_core.demo.telegram_text import Piece, exported_entities, exported_text, marked

CHAT_ID = 1900000042
CHAT_NAME = "Evening Calls (demo)"
WORLD_START = datetime(2025, 4, 30, tzinfo=UTC)
"""The world's first minute: one day before the first call."""

_MESSAGE_STREAM = 7
_FIRST_MESSAGE_ID = 50_001
_EXPORTER_OFFSET = timedelta(hours=2)
_RICK, _PHANES = ("Rick", "user490001"), ("Phanes", "user490002")
_RICK_SHARE, _PHANES_SHARE, _REFRESHED_SHARE = 0.75, 0.45, 0.3

_REMARKS = (
    "",
    "",
    "\nsmall bag",
    "\ngamble",
    " looks early",
    "\nlow cap, nfa",
    "\nchart is clean, adding here",
    " in for a bit",
    "\nsecond entry if it holds",
)
_RETURN_REMARKS = ("\nstill holding this", " again, volume is coming back", "\nnot done yet", "\nlate but ok")


@dataclass(frozen=True, slots=True)
class CallEdit:
    """An edit of a call: how long after it, the words added, whether the bots had answered it."""

    after_s: int
    words: str
    is_answered: bool


_EDITS: Mapping[int, CallEdit] = {
    11: CallEdit(25, "\ntypo fixed", True),
    34: CallEdit(3 * 86_400 + 4_000, "\nedit: took half at 2x", True),
    58: CallEdit(2 * 86_400 + 900, "\nedit: out, thanks for playing", False),
    97: CallEdit(86_400, "\nedit: careful now", False),
}
"""Edits by the call's position. After a late edit of an unanswered call nobody can prove what was called."""


@dataclass(frozen=True, slots=True)
class _Message:
    second: int
    sender_name: str
    sender_id: str
    pieces: tuple[Piece, ...]
    fields: tuple[tuple[str, Any], ...] = ()
    edited_second: int | None = None
    reply_to: _Message | None = None


def telegram_export(
    seed: int, calls: tuple[Call, ...], paths: Mapping[DemoToken, TokenPath], asides: tuple[Aside, ...]
) -> dict[str, Any]:
    """The export of the chat, messages in order of time with increasing ids."""
    firsts = {call.tokens[0]: call for call in calls if call.is_first}
    messages: list[_Message] = []
    for position, call in enumerate(calls):
        dice = Dice(seed, _MESSAGE_STREAM, position)
        edit = _EDITS.get(position)
        message = _call_message(call, edit, dice)
        messages.append(message)
        # A chart link with a pool behind it needs the bot: nothing else tells the token.
        is_answered = edit.is_answered if edit else call.wording is Wording.POOL_LINK or dice.chance(_RICK_SHARE)
        if is_answered:
            messages += [_rick_message(message, token, firsts[token], paths[token], dice) for token in call.tokens]
        if (edit is None or edit.is_answered) and dice.chance(_PHANES_SHARE):
            messages.append(
                _phanes_message(message, call.tokens[0], firsts[call.tokens[0]], paths[call.tokens[0]], dice)
            )
    for aside in asides:
        message = _Message(aside.second, aside.sender_name, aside.sender_id, aside.pieces, aside.fields)
        messages.append(message)
        if aside.answer:
            messages.append(_Message(aside.second + 1, *_PHANES, aside.answer, reply_to=message))
    messages.sort(key=lambda message: (message.second, message.sender_id))
    ids = {id(message): _FIRST_MESSAGE_ID + 3 * position for position, message in enumerate(messages)}
    return {
        "name": CHAT_NAME,
        "type": "private_supergroup",
        "id": CHAT_ID,
        "messages": [_exported(message, ids) for message in messages],
    }


def _call_message(call: Call, edit: CallEdit | None, dice: Dice) -> _Message:
    remark = dice.pick(_REMARKS if call.is_first else _RETURN_REMARKS)
    token = call.tokens[0]
    pieces: tuple[Piece, ...]
    if len(call.tokens) > 1:
        pieces = (" vs ".join(token.address for token in call.tokens), "\nfirst one is the better chart")
    elif call.wording is Wording.ADDRESS:
        pieces = (token.address, remark)
    elif call.wording is Wording.POOL_LINK:
        pieces = (marked("link", f"https://dexscreener.com/{token.chain}/{token.pool}"), remark)
    elif token.chain == "solana":
        pieces = (marked("link", f"https://pump.fun/coin/{token.address}"), remark)
    else:
        pieces = (marked("link", f"https://dexscreener.com/{token.chain}/{token.address}"), remark)
    message = _Message(call.second, call.caller.name, call.caller.user_id, pieces)
    return (
        message
        if edit is None
        else replace(message, pieces=(*pieces, edit.words), edited_second=call.second + edit.after_s)
    )


def _rick_message(call: _Message, token: DemoToken, first: Call, path: TokenPath, dice: Dice) -> _Message:
    card = rick_card(token, _quote(token, path, call.second, dice), _first_call(first, path, call.second))
    return _Message(call.second + dice.whole(1, 3), *_RICK, tuple(card), reply_to=call)


def _phanes_message(call: _Message, token: DemoToken, first: Call, path: TokenPath, dice: Dice) -> _Message:
    answered = call.second + dice.whole(1, 4)
    if not dice.chance(_REFRESHED_SHARE):
        card = phanes_card(token, _quote(token, path, call.second, dice), _first_call(first, path, call.second))
        return _Message(answered, *_PHANES, tuple(card), reply_to=call)
    refreshed = answered + dice.whole(600, 30_000)
    clock = (WORLD_START + timedelta(seconds=refreshed)).strftime("%I:%M %p").lstrip("0")
    card = phanes_card(
        token, _quote(token, path, refreshed, dice), _first_call(first, path, refreshed), refreshed_at=clock
    )
    return _Message(answered, *_PHANES, tuple(card), edited_second=refreshed, reply_to=call)


def _quote(token: DemoToken, path: TokenPath, second: int, dice: Dice) -> Quote:
    price = path.price_at(second)
    return Quote(
        price=price,
        highest_price=path.highest_until(second),
        change=price / path.price_at(second - 3600) - 1,
        age_min=max(second // 60 - token.launch_min, 1),
        liquidity=price * SUPPLY * dice.between(0.2, 0.5),
        volume=dice.between(30_000, 400_000),
        views=dice.whole(20, 900),
    )


def _first_call(first: Call, path: TokenPath, second: int) -> FirstCall:
    return FirstCall(first.caller.name, path.price_at(first.second), (second - first.second) // 60)


def _exported(message: _Message, ids: Mapping[int, int]) -> dict[str, Any]:
    is_service = any(name == "action" for name, _ in message.fields)
    exported: dict[str, Any] = {
        "id": ids[id(message)],
        "type": "service" if is_service else "message",
        "date": _local(message.second),
        "date_unixtime": str(_unix(message.second)),
    }
    if message.edited_second is not None:
        exported |= {"edited": _local(message.edited_second), "edited_unixtime": str(_unix(message.edited_second))}
    names = ("actor", "actor_id") if is_service else ("from", "from_id")
    exported |= dict(zip(names, (message.sender_name, message.sender_id), strict=True))
    if message.reply_to is not None:
        exported["reply_to_message_id"] = ids[id(message.reply_to)]
    exported |= dict(message.fields)
    return exported | {"text": exported_text(message.pieces), "text_entities": exported_entities(message.pieces)}


def _unix(second: int) -> int:
    return int(WORLD_START.timestamp()) + second


def _local(second: int) -> str:
    return (WORLD_START + timedelta(seconds=second) + _EXPORTER_OFFSET).replace(tzinfo=None).isoformat()
