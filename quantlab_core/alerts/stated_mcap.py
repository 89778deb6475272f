"""The market cap that a caller states in words: "at 17k", "mc: $1.5m", "FDV 80k", or an amount on a line of its own.

A target, a high or another number is no market cap at the call. Where more than one amount could be meant, none is.
"""

from __future__ import annotations

import re

from quantlab_core.alerts.bot_cards import parse_amount

_SHORT = r"\d{1,6}(?:\.\d{1,3})?\s?[kmb]"
_WRITTEN_OUT = r"\d{1,3}(?:,\d{3}){1,3}"
_MCAP = r"(?:mc|mcap|market\s?cap|fdv)"
_STATED = re.compile(
    rf"(?:\bat|@)\s*~?\$?({_SHORT})\b"
    rf"|\b(?:{_MCAP}|cap)\b\s*(?:is\b|was\b|at\b|[:=~-])?\s*\$?({_SHORT}|{_WRITTEN_OUT})\b"
    rf"|\$?\b({_SHORT}|{_WRITTEN_OUT})\s*(?:{_MCAP}|cap)\b"
    rf"|^[ \t\-–~]*\$?({_SHORT})[ \t\-–]*$",
    re.IGNORECASE | re.MULTILINE,
)
# What stands directly before or behind an amount that is not the market cap now.
_ANOTHER_BEFORE = re.compile(
    r"(?:\b(?:sell|sold|selling|target(?:ing|s)?|tp|ath|to|until|till|into|before|towards?|vol(?:ume)?|liq(?:uidity)?|lp|bond(?:s|ed|ing)?)\b"
    r"|->|→|=>)\W*(?:is\W+)?$",
    re.IGNORECASE,
)
_ANOTHER_BEHIND = re.compile(
    r"\W*(?:incoming|soon|target|possible|potential|programmed|easy|next|eoy|ath|holders?|views?|members?|followers?"
    r"|vol(?:ume)?|liq(?:uidity)?|lp)\b",
    re.IGNORECASE,
)
_LOOK_BACK = 24


def stated_mcap(text: str) -> float | None:
    """The market cap in USD that ``text`` states, if it states exactly one."""
    amounts = {
        amount for match in _STATED.finditer(text) if _is_of_now(text, match) for amount in match.groups() if amount
    }
    return parse_amount(amounts.pop().replace(" ", "")) if len(amounts) == 1 else None


def _is_of_now(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - _LOOK_BACK) : match.start()]
    return not _ANOTHER_BEFORE.search(before) and not _ANOTHER_BEHIND.match(text, match.end())
