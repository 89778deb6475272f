"""Who and what the demo world is made of: callers, tokens and the story that each token's price tells.

The cast is written out so that every story occurs whatever the seed; the seed decides addresses, times and prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import base58

from quantlab_core.demo.dice import Dice
from quantlab_core.token import SOLANA

DAYS = 10
SUPPLY = 1_000_000_000
"""Tokens in existence, the same for all, so market cap = price x SUPPLY."""

_ADDRESS_STREAM = 1
_FIRST_HOUR, _LAST_HOUR = 6, 21  # hours of the UTC day in which a token is called first
_PUMP = "pump"
_PUMP_SHARE = 0.6


class Story(StrEnum):
    """The shape of a token's price after it starts to move."""

    RUNNER = "runner"  # twenty times and more over half a day
    WINNER = "winner"  # two to five times within hours, then back
    GRINDER = "grinder"  # slowly up over a day or two
    CHOP = "chop"  # nowhere
    FADE = "fade"  # a short pop, then down for good
    RUG = "rug"  # up, then everything gone within one minute
    DEAD = "dead"  # fades, and after some hours nobody trades it


@dataclass(frozen=True, slots=True)
class Caller:
    """A person of the group; their calls come ``lead_min`` minutes before the move (negative: after it)."""

    name: str
    user_id: str
    lead_min: tuple[int, int]


MARLOWE = Caller("Marlowe", "user410001", (4, 15))
HERON = Caller("night heron", "user410002", (2, 10))
INES = Caller("Ines <3", "user410003", (-4, 8))
KITE = Caller("kite_", "user410004", (-15, 0))
COPPER = Caller("COPPER 🥉", "user410005", (-30, -8))
BERT = Caller("Bert & Sons", "user410006", (-45, -12))
CALLERS = (MARLOWE, HERON, INES, KITE, COPPER, BERT)

_CAST: tuple[tuple[str, str, str, Story, Caller], ...] = (
    ("Moss Golem", "MOSS", SOLANA, Story.WINNER, MARLOWE),
    ("Tax Pigeon", "TAXP", SOLANA, Story.FADE, KITE),
    ("Sunday Kettle", "KETTLE", SOLANA, Story.CHOP, INES),
    ("Left Sock", "LSOCK", SOLANA, Story.FADE, BERT),
    ("Harbour Otter", "HOTTER", SOLANA, Story.GRINDER, HERON),
    ("Crouton", "CROUT", SOLANA, Story.DEAD, COPPER),
    ("Ladder Cat", "LADDER", "base", Story.WINNER, INES),
    ("Quiet Tractor", "QTRAC", SOLANA, Story.FADE, KITE),
    ("Paper Lighthouse", "PLITE", SOLANA, Story.RUNNER, MARLOWE),
    ("Soup Oracle", "SOUP", SOLANA, Story.CHOP, KITE),
    ("Duke of Beans", "BEANS", SOLANA, Story.RUG, COPPER),
    ("Velvet Goose", "VGOOSE", SOLANA, Story.WINNER, HERON),
    ("Second Breakfast", "BRKF", SOLANA, Story.FADE, BERT),
    ("Bus Replacement", "BUSR", "ethereum", Story.CHOP, COPPER),
    ("Tin Whistle", "TINW", SOLANA, Story.GRINDER, MARLOWE),
    ("Radish Union", "RADISH", SOLANA, Story.WINNER, INES),
    ("Overdue Library", "ODUE", SOLANA, Story.DEAD, KITE),
    ("Umbrella Shark", "USHRK", SOLANA, Story.WINNER, MARLOWE),
    ("Polite Volcano", "PVOLC", SOLANA, Story.FADE, COPPER),
    ("Nap Committee", "NAPC", "bsc", Story.FADE, KITE),
    ("Gravel", "GRAVEL", SOLANA, Story.CHOP, HERON),
    ("Cheese Ledger", "CHEDGE", SOLANA, Story.WINNER, HERON),
    ("Monday Comet", "MCOM", SOLANA, Story.RUG, KITE),
    ("Third Wheel", "WHEEL", SOLANA, Story.FADE, BERT),
    ("Salt Piano", "SALTP", SOLANA, Story.WINNER, MARLOWE),
    ("Ferry Horse", "FERRY", SOLANA, Story.GRINDER, INES),
    ("Dust Bishop", "DUSTB", SOLANA, Story.DEAD, BERT),
    ("Fog Accountant", "FOGA", "base", Story.CHOP, KITE),
    ("Pickle Senate", "PICKS", SOLANA, Story.FADE, INES),
    ("Wool Rocket", "WOOL", SOLANA, Story.WINNER, HERON),
    ("Spare Moon", "SPARE", SOLANA, Story.FADE, COPPER),
    ("Elbow Room", "ELBOW", SOLANA, Story.CHOP, MARLOWE),
    ("Turnip Choir", "TCHOIR", SOLANA, Story.WINNER, KITE),
    ("Half Bicycle", "HALFB", SOLANA, Story.FADE, BERT),
    ("Mild Dragon", "MILD", "ethereum", Story.GRINDER, HERON),
    ("Kelp Notary", "KELP", SOLANA, Story.WINNER, INES),
    ("Broom Owl", "BROOM", SOLANA, Story.FADE, COPPER),
    ("Stairs Going Up", "STAIRS", SOLANA, Story.GRINDER, MARLOWE),
    ("Tuesday Ham", "THAM", SOLANA, Story.DEAD, KITE),
    ("Borrowed Crown", "BCROWN", SOLANA, Story.WINNER, HERON),
)


@dataclass(frozen=True, slots=True)
class DemoToken:
    """One token: what it is, who calls it first and when it starts to move (minutes since the world's first minute)."""

    index: int
    name: str
    ticker: str
    chain: str
    address: str
    pool: str
    story: Story
    first_caller: Caller
    day: int
    launch_min: int
    first_call_min: int
    move_min: int


def demo_tokens(seed: int) -> tuple[DemoToken, ...]:
    """The tokens of the cast in order of their day, the same number on each."""
    per_day = len(_CAST) // DAYS
    tokens = []
    for index, (name, ticker, chain, story, caller) in enumerate(_CAST):
        dice = Dice(seed, _ADDRESS_STREAM, index)
        # The world's first minute lies one day before the first day of calls.
        day = index // per_day
        first_call_min = (day + 1) * 1440 + dice.whole(_FIRST_HOUR * 60, _LAST_HOUR * 60)
        move_min = first_call_min + dice.whole(*caller.lead_min)
        launch_min = min(first_call_min, move_min) - dice.whole(45, 200)
        address, pool = (_address(dice, chain, is_token) for is_token in (True, False))
        tokens.append(
            DemoToken(
                index, name, ticker, chain, address, pool, story, caller, day, launch_min, first_call_min, move_min
            )
        )
    return tuple(tokens)


def solana_text(data: bytes) -> str:
    """Base58 text of raw bytes: 32 for an address, 64 for a transaction signature."""
    return base58.b58encode(data).decode()


def _address(dice: Dice, chain: str, is_token: bool) -> str:
    if chain != SOLANA:
        return "0x" + dice.data(20).hex()
    # A first byte between 16 and 127 keeps the text at 43 or 44 characters and its last four free to choose.
    text = solana_text(bytes([dice.whole(16, 127)]) + dice.data(31))
    return text[: -len(_PUMP)] + _PUMP if is_token and dice.chance(_PUMP_SHARE) else text
