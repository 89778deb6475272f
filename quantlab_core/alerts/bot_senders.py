"""Which senders are bots, as far as an export tells: it has no bot flag, only names and the form of the text.

Known names first, then names that end in "bot" as Telegram demands of every bot's user name. A person who calls
himself exactly like a known bot is taken for one; his calls are then ``bot_alert`` instead of ``call``, still alerts.
"""

from __future__ import annotations

import re
from functools import lru_cache

_KNOWN_BOTS = frozenset(
    {
        "rick",
        "phanes",
        "phanes [gold]",
        "trojan",
        "trojan on solana",
        "maestro",
        "bonkbot",
        "banana gun",
        "spydefi",
        "wen presale",
        "safeguard",
        "rose",
        "combot",
        "soul scanner",
        "soul sniper",
        "trench scanner",
        "proficy price bot",
        "collab.land",
    }
)
_BOT_NAME = re.compile(r"bot\b\W*$", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^\w\s.\[\]]+")


@lru_cache(maxsize=4096)
def is_bot_name(name: str | None) -> bool:
    """Whether a sender of this name is taken for a bot; emoji around the name do not matter."""
    if name is None:
        return False
    plain = " ".join(_NOT_IN_NAMES.sub(" ", name).split())
    return plain.casefold() in _KNOWN_BOTS or _BOT_NAME.search(plain) is not None
