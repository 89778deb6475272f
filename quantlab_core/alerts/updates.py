"""Brag posts and leaderboards: they tell how an earlier call went, may name its token, and call nothing."""

from __future__ import annotations

import re

_AMOUNT = r"\$?\d[\d.,]*\s?[kmb]?\b"
_MULTIPLE = r"(?:x\d+(?:\.\d+)?|\d+(?:\.\d+)?x|\d[\d,.]*\s?%)\+?"
_CALL = r"(?:call|entry|alert|signal)"
_SINCE = r"\W{1,6}(?:from|since|after)\W{1,6}"
UPDATE = re.compile(
    r"achievement unlocked"
    r"|\bleaderboard\b"
    r"|\bmade an? x\d+(?:\.\d+)?\+? call\b"
    # "hit a 5x from the call", "is up 5X from Entry Signal"; of wishes ("10x from entry") the verb is missing
    rf"|\b(?:hit|did|reached|now|up|gained|made|done|pumped)\W+(?:an?\W+)?{_MULTIPLE}{_SINCE}"
    rf"(?:(?:the|our|my|vip|this|first|entry)\W+){{0,3}}{_CALL}"
    # "12x from my call", "4x since call"
    rf"|{_MULTIPLE}\W{{1,6}}(?:(?:from|after)\W{{1,6}}(?:our|my|his|her)|since)\W+(?:(?:the|our|my|vip|first)\W+){{0,2}}{_CALL}"
    # "called at 50k, now 1M"
    rf"|\bcalled\b[^\n]{{0,40}}?(?:\bat|@|\bfrom)\s*{_AMOUNT}[^\n]{{0,30}}?(?:\bnow|\bath|\bhit|->|→|↗️?|➡️?)[^\w\n]{{0,6}}(?:at\s+)?{_AMOUNT}"
    # "4x | From 30K ↗️ 120K"
    rf"|{_MULTIPLE}[^\n]{{0,20}}\bfrom\s*{_AMOUNT}\s*(?:->|-+>|—>|→|↗️?|➡️?)\s*{_AMOUNT}",
    re.IGNORECASE,
)
"""What an update is; `is_update` says the same, and is faster for all other texts."""
_ARROWS = (">", "→", "↗", "➡")
_OF_THE_PAST = ("from", "nce", "after", "made", "called")  # "nce" of "since"
_DIGIT = re.compile(r"\d")


def is_update(text: str) -> bool:
    """Whether ``text`` tells how a call went: "made a x3+ call", "5x since our call", "called at 50k, now 1M"."""
    return _may_be_update(text.lower()) and UPDATE.search(text) is not None


def _may_be_update(lowered: str) -> bool:
    """A cheap test that is true of every update; ``lowered`` is the text in lower case."""
    # Words without the letters i, s and k: other signs match them too, where case does not matter.
    if "unlocked" in lowered or "leaderboard" in lowered:
        return True
    if "call" in lowered or "entry" in lowered or "alert" in lowered or "gnal" in lowered:
        return any(word in lowered for word in _OF_THE_PAST) and _DIGIT.search(lowered) is not None
    return "from" in lowered and any(arrow in lowered for arrow in _ARROWS)
