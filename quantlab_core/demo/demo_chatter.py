"""Everything in the group that calls no token: talk, commands, boasts, links, and traps for a parser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quantlab_core.demo.demo_cast import CALLERS, DAYS, DemoToken, solana_text
from quantlab_core.demo.dice import Dice
from quantlab_core.demo.telegram_text import Piece, bold, linked, marked

_CHATTER_STREAM = 6
_TALK_MESSAGES = 90

TALK = (
    "gm",
    "who is still awake",
    "that candle hurt",
    "told you to take some off the top",
    "liquidity looks thin, careful",
    "I only lose money on weekdays",
    "anyone watching the eth side today?",
    "chart looks like stairs, the wrong kind",
    "waiting for a retrace that never comes",
    "sold way too early again",
    "dev just posted, community seems fine",
    "not touching that one",
    "what is the plan here, hold or flip",
    "half out, rest rides",
    "bundled to the moon, literally",
    "my stop got hit by two percent and then it ran",
    "coffee first",
    "volume is back",
    "nice, congrats to everyone who stayed",
    "this group is the only thing I read before breakfast",
    "somebody explain the fee to me like I am five",
    "slow day",
    "he is early again, how",
    "rent is due so of course it dips",
)


@dataclass(frozen=True, slots=True)
class Aside:
    """A message that is no call. ``fields`` are further fields of the export, e.g. those of a service message."""

    second: int
    sender_name: str
    sender_id: str
    pieces: tuple[Piece, ...] = ()
    fields: tuple[tuple[str, Any], ...] = ()
    answer: tuple[Piece, ...] = ()
    """What Phanes answers, where it is a command."""


def asides(seed: int, tokens: tuple[DemoToken, ...]) -> tuple[Aside, ...]:
    """Talk spread over the days, and one or more of each trap."""
    dice = Dice(seed, _CHATTER_STREAM)
    talk = [
        _said(dice, dice.whole(1440 * 60, (DAYS + 1) * 1440 * 60 - 60), dice.pick(TALK)) for _ in range(_TALK_MESSAGES)
    ]
    return tuple(
        sorted(
            [*talk, *_traps(dice, tokens), *_bot_talk(dice, tokens), *_service_messages(dice)],
            key=lambda aside: aside.second,
        )
    )


def _at(dice: Dice, day: int, hour: int) -> int:
    return ((day + 1) * 24 + hour) * 3600 + dice.whole(0, 3599)


def _said(dice: Dice, second: int, *pieces: Piece, **fields: Any) -> Aside:
    sender = dice.pick(CALLERS)
    return Aside(second, sender.name, sender.user_id, pieces, tuple(fields.items()))


def _traps(dice: Dice, tokens: tuple[DemoToken, ...]) -> list[Aside]:
    """A ticker without an address, a transaction, a wallet, addresses glued to words, a programme's address."""
    signature, wallet = solana_text(b"\x20" + dice.data(63)), solana_text(b"\x40" + dice.data(31))
    glued_early, glued_late = tokens[3], tokens[-6]
    return [
        _said(dice, _at(dice, 1, 12), marked("cashtag", "$MOSS"), " looks ready again"),
        _said(dice, _at(dice, 4, 20), marked("cashtag", "$PLITE")),
        _said(dice, _at(dice, 2, 15), "dev sold, look: ", marked("link", f"https://solscan.io/tx/{signature}")),
        _said(dice, _at(dice, 6, 9), f"{signature} is the transaction, it went through"),
        _said(dice, _at(dice, 3, 10), f"my wallet {wallet} send sol pls"),
        _said(dice, _at(dice, glued_early.day, 22), f"{glued_early.address}gamble"),
        _said(dice, _at(dice, glued_late.day, 22), f"{glued_late.address}Aping small"),
        _said(
            dice, _at(dice, 5, 13), "token program is TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA, nothing to buy there"
        ),
        _said(dice, _at(dice, 7, 18), "20x from my call 🏆 who is with me"),
        _said(
            dice,
            _at(dice, 8, 11),
            "",
            photo="(File not included. Change data exporting settings to download.)",
            width=1280,
            height=720,
        ),
        _said(
            dice, _at(dice, 2, 19), "market wrap: quiet, everyone waits for the weekend", forwarded_from="Evening Wrap"
        ),
    ]


def _bot_talk(dice: Dice, tokens: tuple[DemoToken, ...]) -> list[Aside]:
    """Commands and what Phanes answers, a leaderboard with links to tokens among it."""
    ranks: list[Piece] = ["🏆 ", bold("Leaderboard"), " (7d)\n"]
    for rank, (index, multiple) in enumerate(((8, "24x"), (24, "3.7x"), (21, "3.2x"), (29, "2.9x")), start=1):
        token = tokens[index]
        link = linked(f"${token.ticker}", f"https://t.me/phanes_bot?start=price_{token.address}")
        ranks += [f"\n{rank}. {token.first_caller.name} ", link, f" {multiple}"]
    commands = []
    for day, hour, command, answer in (
        (1, 9, "/pnl", ("📉 No wallet linked. Send /wallet to link one.",)),
        (4, 16, "/i@PhanesGoldBot", ("🔥 ", bold("Market"), "\n ├ F&G: 47 (Neutral)\n └ BTC dom.: 61.0%")),
        (7, 20, "/lb", tuple(ranks)),
    ):
        sender = dice.pick(CALLERS)
        commands.append(
            Aside(_at(dice, day, hour), sender.name, sender.user_id, (marked("bot_command", command),), (), answer)
        )
    return commands


def _service_messages(dice: Dice) -> list[Aside]:
    join, pin = dice.pick(CALLERS), dice.pick(CALLERS)
    return [
        Aside(_at(dice, 0, 5), join.name, join.user_id, (), (("action", "join_group_by_link"), ("inviter", "Group"))),
        Aside(_at(dice, 5, 23), pin.name, pin.user_id, (), (("action", "pin_message"), ("message_id", 1))),
    ]
