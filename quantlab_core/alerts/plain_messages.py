"""Most messages are plain talk: a cheap test that never calls a message plain which could be anything else.

Each condition is necessary for one thing that `classify` can find. A message that meets none is no alert, command,
card, update or row of tickers, and names no address, damaged or whole; the tests compare both ways on every kind.
"""

from __future__ import annotations

import re

from quantlab_core.alerts.addresses import UNSEEN, has_part_of_address
from quantlab_core.alerts.updates import is_update

_COMMAND_SIGNS = ("/", "!", ".")
_SHORTEST_ADDRESS = 32
_RUN = re.compile(r"[0-9A-Za-z]{32}")
_LONG_RUN = re.compile(r"[0-9A-Za-z]{14}")  # as long as a part of an address; most talk has none
# Matched without regard to case, the letters i, s and k also match the first four; the others may stand in a run
# without being seen. A text with any of them is looked at in full.
_LOOKALIKE = re.compile(f"[\u0130\u0131\u017f\u212a{UNSEEN}]")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
# Cards write "($TICKER)", "] $TICKER", "- $TICKER" or "Buy $TICKER"; a row of tickers begins with one.
_TELLING_TICKER = re.compile(r"\A[^\w$]*\$|\(\$|(?:[\]\-]|Buy|Sell)\s+\$")


def is_plain(text: str, links: tuple[str, ...]) -> bool:
    """Whether a message of these words and hidden links, sent by a person, says nothing about a token."""
    if len(text) >= _SHORTEST_ADDRESS:
        if _LONG_RUN.search(text) and (_RUN.search(text) or has_part_of_address(text)):
            return False
        if _may_hide_address(text):
            return False
    if ("$" in text and _TELLING_TICKER.search(text)) or text.lstrip().startswith(_COMMAND_SIGNS):
        return False
    if is_update(text):
        return False
    return not links or not any(map(may_hold_address, links))


def may_hold_address(text: str) -> bool:
    """Whether ``text`` has so many letters and digits in a row as an address has, or hides some by %-encoding."""
    return len(text) >= _SHORTEST_ADDRESS and (_RUN.search(text) is not None or _may_hide_address(text))


def _may_hide_address(text: str) -> bool:
    if "%" in text and _ENCODED.search(text):
        return True
    return not text.isascii() and _LOOKALIKE.search(text) is not None
