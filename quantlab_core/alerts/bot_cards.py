"""What token bots answer: the fields of Rick's and Phanes' cards and of trading-bot dialogs, one pattern table each.

Cards are refreshed in place. Everything in the body (price, market cap, liquidity) is as of the last edit; only the
footer (``You are first @ 2.8M``, ``First Call ann @ $51.4K``) speaks of the first call. Who uses a card decides which
numbers may be used, see `alert_events`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quantlab_core.alerts.addresses import STOP_LIST, extract_addresses, is_chain_name, normalise_chain
from quantlab_core.alerts.links import find_urls
from quantlab_core.token import EVM_CHAINS, SOLANA

RICK = "rick"
PHANES = "phanes"
TRADING_BOT = "trading_bot"

_SUBSCRIPT_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_MULTIPLIERS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400, "y": 365 * 86_400}
# A number that goes on in another way ("64,2K") is none: a part of it would be wrong by orders of magnitude.
_AMOUNT = r"\$?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?[KMBTkmbt]?)(?!\w|[.,]\d)"
_PRICE = r"\$(\d[\d.,₀-₉]*(?:[eE][+-]?\d+)?[KMBTkmbt]?)(?!\w)"
_BETWEEN = r"\s*[^\w\s]\s*"  # ⋅ or another sign between the parts of a footer
_DURATION = r"(\d+(?:s|mo|m|h|d|w|y))"

RICK_PATTERNS: Mapping[str, str] = {
    "ticker": r"^[^\n]*?(?:\]|\s-)\s+\$(\S+)",
    "chain": r"(?:🌐|^[^\n]*\n+[^\w\n]+)\s*(\w[\w ]*?)\s*@",
    "price": r"USD:?\s*" + _PRICE,
    "mcap": r"(?:FDV|MC):?\s*" + _AMOUNT,
    "mcap_title": r"^[^\n]*?\[" + _AMOUNT + r"\s*/",
    "mcap_change": r"^[^\n]*?\[[^/\]\n]+/\s*(-?[\d.]+[Kk]?)%\]",
    "liquidity": r"Liq:?\s*" + _AMOUNT,
    "ath": r"(?:⇨\s*(?:ATH:?\s*)?|ATH:\s*)" + _AMOUNT,
    "age": r"(?:Age:|🕰️?)\s*" + _DURATION + r"\b",
    "is_first": r"(You are first) @",
    "first_caller": r"^(?!💨)[^\w\n]*?(?:🏆|First Call)\s*(\S.*?)\s+@\s*\$?[\d.]",
    "mcap_at_call": r"^[^\w\n]*?(?:💨|🏆|You are first)[^\n]*?@\s*" + _AMOUNT,
    "first_call_age": r"^[^\w\n]*?🏆[^\n]*@\s*"
    + _AMOUNT.replace("(", "(?:", 1)
    + _BETWEEN
    + r"[\d.,]+[KkMm]?[xX%]"
    + _BETWEEN
    + _DURATION
    + r"\b",
    "holders": r"Total:\s*(\d[\d.,]*[KM]?)",
    "wallet_age": r"[Aa]vg:?\s*" + _DURATION + r" old",
}

# "😈 ann @ $12K", "🔥 First Call ann @ $12K": any sign at the beginning of the line but those that draw the tree.
_PHANES_FOOTER = r"^\s*(?:[^\w\s├└┣┗╠╚$]{1,8}\s*(?:First Call\s)?|First Call\s)\s*"

PHANES_PATTERNS: Mapping[str, str] = {
    "ticker": r"^[^\n]*\(\$([^)\n]*?)\s*\)",
    "chain": r"[└┗╚][^\n]*?#(\w+)",
    "price": r"USD:?\s+" + _PRICE,
    "mcap": r"(?:MC|FDV):?\s+" + _AMOUNT,
    "liquidity": r"(?:LP|Liq):?\s+" + _AMOUNT,
    "ath": r"ATH:?\s+" + _AMOUNT,
    "age": r"#\w+[^|\n]*\|\s*(?:🌱\s*)?" + _DURATION + r"\b",
    "first_caller": _PHANES_FOOTER + r"(\S.*?)\s+@\s*\$\d",
    "mcap_at_call": _PHANES_FOOTER + r"\S[^\n]*?\s@\s*(?=\$)" + _AMOUNT,
    "is_first": r"(First Call)\s",
    "first_call_age": _PHANES_FOOTER + r"\S[^\n]*?\s@\s*\$[^\n]*\(" + _DURATION + r"\)",
}

TRADING_BOT_PATTERNS: Mapping[str, str] = {
    "ticker": r"^\W*(?:Buy|Sell)\s+\$(\S+)",
    "price": r"Price:\s*" + _PRICE,
    "mcap": r"MC(?:ap)?:\s*" + _AMOUNT,
    "liquidity": r"LIQ:\s*" + _AMOUNT,
}

# A text is a card of a bot if it begins with the first of these and has the second, where there is one, in it.
_SIGNATURES: Mapping[str, tuple[re.Pattern[str], re.Pattern[str] | None]] = {
    PHANES: (re.compile(r"[^\n]{0,200}\(\$[^)\n]{1,60}\)[^\n]*\n\s*[├┣╠]\s*\S{32,}"), None),
    RICK: (
        re.compile(r"[^\n]{0,200}(?:\[[^\]\n]{1,40}/[^\]\n]{1,40}%\]|\s-)\s+\$\S"),
        re.compile(r"^[^\w\n]*FDV:|^[^\w\n]*\$\d|💦 Liq:", re.MULTILINE),
    ),
    TRADING_BOT: (re.compile(r"\W*(?:Buy|Sell)\s+\$\S+"), re.compile(r"^Price:\s*\$", re.MULTILINE)),
}
_LONGEST_CARD = 8_192  # Telegram's own limit is 4,096 characters
_LINE_FIELDS = frozenset({"first_caller", "mcap_at_call", "first_call_age"})


def _finder(field: str, pattern: str) -> Callable[[str], re.Match[str] | None]:
    """What finds a field in a card; a pattern for its beginning is tried there alone."""
    if field in _LINE_FIELDS:
        return re.compile(pattern, re.MULTILINE).search
    compiled = re.compile(pattern)
    return compiled.match if pattern.startswith("^") else compiled.search


_TABLES = {
    bot: {field: _finder(field, pattern) for field, pattern in table.items()}
    for bot, table in ((RICK, RICK_PATTERNS), (PHANES, PHANES_PATTERNS), (TRADING_BOT, TRADING_BOT_PATTERNS))
}
_SUBSCRIPT = re.compile(r"0\.0([₀-₉]+)(\d+)")
_NUMBER = re.compile(r"(-?\d{1,30}(?:\.\d{1,60})?(?:E[+-]?\d{1,2})?)([KMBT]?)", re.IGNORECASE)
_WHOLE_DURATION = re.compile(r"(\d{1,6})(s|mo|m|h|d|w|y)")


@dataclass(frozen=True, slots=True)
class BotCard:
    """One card. Amounts are USD; ages are as the bot writes them (``8h``) and in seconds; None is "not shown".

    ``address`` is the token, ``chain`` is None where the card does not name it. ``mcap_at_call_usd`` is the footer's
    value at the first call in the group, made ``first_call_age_s`` before the card's last edit; ``is_first`` says that
    the footer speaks of the very message that the card answers.
    """

    bot: str
    address: str | None
    chain: str | None
    ticker: str | None
    price_usd: float | None = None
    mcap_usd: float | None = None
    mcap_change_pct: float | None = None
    liquidity_usd: float | None = None
    ath_mcap_usd: float | None = None
    age: str | None = None
    age_s: int | None = None
    first_caller: str | None = None
    is_first: bool = False
    mcap_at_call_usd: float | None = None
    first_call_age_s: int | None = None
    total_holders: int | None = None
    avg_wallet_age_days: float | None = None


def parse_card(text: str) -> BotCard | None:
    """The card that ``text`` is, or None."""
    stripped = text[:_LONGEST_CARD].lstrip()
    if "$" not in stripped:  # every signature has it
        return None
    for bot, (beginning, within) in _SIGNATURES.items():
        if beginning.match(stripped) and (within is None or within.search(stripped)):
            return _read_card(bot, stripped)
    return None


def parse_amount(text: str) -> float | None:
    """``$2.27M``, ``19.6K``, ``1,234.5`` or ``0.0₄5142`` (four zeros after the point) as a number, else None."""
    compact = text.strip().lstrip("$").replace(",", "").rstrip(".")
    if subscript := _SUBSCRIPT.fullmatch(compact):
        compact = "0." + "0" * min(int(subscript[1].translate(_SUBSCRIPT_DIGITS)), 40) + subscript[2]
    match = _NUMBER.fullmatch(compact)
    if match is None:
        return None
    # Rounding to 12 digits takes off the multiplication's noise: 19.6K is 19600.0, not 19600.000000000004.
    return float(f"{float(match[1]) * _MULTIPLIERS[match[2].upper()]:.12g}")


def parse_duration(text: str) -> int | None:
    """``8h``, ``10m``, ``5w`` or ``2mo`` in seconds (a month is 30 days); None if it is none."""
    match = _WHOLE_DURATION.fullmatch(text.strip())
    return int(match[1]) * _SECONDS[match[2]] if match else None


def _read_card(bot: str, text: str) -> BotCard:
    table = _TABLES[bot]

    def field(name: str) -> str | None:
        match = table[name](text) if name in table else None
        return match[1] if match else None

    def amount(name: str) -> float | None:
        shown = field(name)
        return None if shown is None else parse_amount(shown)

    def seconds(name: str) -> int | None:
        shown = field(name)
        return None if shown is None else parse_duration(shown)

    address, family = _token_of(text)
    holders, wallet_age = amount("holders"), seconds("wallet_age")
    mcap = amount("mcap")
    return BotCard(
        bot=bot,
        address=address,
        chain=_chain_of(field("chain"), family),
        ticker=field("ticker") or None,
        price_usd=amount("price"),
        mcap_usd=amount("mcap_title") if mcap is None else mcap,
        mcap_change_pct=amount("mcap_change"),
        liquidity_usd=amount("liquidity"),
        ath_mcap_usd=amount("ath"),
        age=field("age"),
        age_s=seconds("age"),
        first_caller=field("first_caller"),
        is_first=field("is_first") is not None,
        mcap_at_call_usd=amount("mcap_at_call"),
        first_call_age_s=seconds("first_call_age"),
        total_holders=None if holders is None else int(holders),
        avg_wallet_age_days=None if wallet_age is None else wallet_age / 86_400,
    )


def _token_of(text: str) -> tuple[str | None, str | None]:
    """The address written out in the card, links left aside: they hold pools and wallets."""
    for start, end, _ in reversed(find_urls(text)):
        text = text[:start] + " " + text[end:]
    for candidate in extract_addresses(text).found:
        if candidate.normal_form not in STOP_LIST:
            return candidate.address, candidate.family
    return None, None


def _chain_of(shown: str | None, family: str | None) -> str | None:
    if family == SOLANA:
        return SOLANA
    if not shown:
        return None
    named, first_word = normalise_chain(shown.replace(" ", "-")), normalise_chain(shown.split()[0])
    if named not in EVM_CHAINS and first_word in EVM_CHAINS:  # "BNB Chain"
        named = first_word
    return named if named != SOLANA and is_chain_name(named) else None
