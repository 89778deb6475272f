"""What a message is: a call with its tokens, a bot's answer, a command, news, or ambiguous (to be quarantined).

Pure per message: no other message is looked at, so the order of an export does not matter. The rules are documented
in ``docs/alerts.md``; `RULE_VERSIONS` names every rule that can send a message to the quarantine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quantlab_core.alerts.addresses import EVM, STOP_LIST, normalise_chain
from quantlab_core.alerts.bot_cards import BotCard, parse_card
from quantlab_core.alerts.bot_senders import is_bot_name
from quantlab_core.alerts.called_tokens import CalledToken, TokenReading, read_tokens
from quantlab_core.alerts.links import PRESALE_CONTRACT
from quantlab_core.alerts.message_kinds import (
    ALERT_KINDS,
    AMBIGUOUS,
    BOT_ALERT,
    BOT_REPLY,
    CALL,
    COMMAND,
    NO_ALERT,
    TICKER_ONLY,
    UPDATE,
)
from quantlab_core.alerts.plain_messages import is_plain
from quantlab_core.alerts.stated_mcap import stated_mcap
from quantlab_core.alerts.telegram_message import MESSAGE, SERVICE, UNSUPPORTED, TelegramMessage
from quantlab_core.alerts.updates import is_update
from quantlab_core.token import EVM_UNKNOWN, looks_evm

# Raised whenever a rule decides differently, so that a replay of the quarantine knows which rows to read again.
RULE_VERSIONS = {
    "not_an_object": 1,
    "no_message_id": 1,
    "undated": 1,
    "bad_date": 1,
    "ambiguous_local_time": 1,
    "nonexistent_local_time": 1,
    "outside_days": 1,
    "base58_glued": 2,
    "base58_lowercased": 3,
    "base58_wrong_length": 1,
    "address_cut": 1,
    "evm_glued": 1,
    "evm_wrong_length": 1,
    "evm_checksum": 1,
    "link_address_invalid": 2,
    "chain_not_supported": 2,
    "unknown_link": 3,
    "explorer_account": 1,
    "pool_links_unmatched": 1,
}

# Telegram's own commands have up to 32 characters; some bots listen to words behind ! or a full stop.
_COMMAND = re.compile(r"\s*(?:/[A-Za-z]\w{0,31}(?:@\w+)?|[!.][a-z]{1,12})(?:\s|$)")
_CASHTAG = re.compile(r"(?<![\w$])\$+([A-Za-z][A-Za-z0-9_]{0,31})\b")
_TICKERS_ONLY = re.compile(r"\s*[^\w$]*(?:\$+[A-Za-z][A-Za-z0-9_]{0,31}[^\w$]*)+")
_PRESALE_TICKER = re.compile(r"^Token:[^\n(]*\(([^)\n]{1,32})\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Call:
    """One token that a message calls, by the message's own words alone.

    ``address`` keeps the message's spelling; ``chain`` is ``evm_unknown`` where the message does not say it;
    ``source`` is ``text`` or ``link``. ``stated_mcap_usd`` is what the caller wrote, not what anybody measured.
    """

    address: str
    family: str
    chain: str
    address_kind: str
    source: str
    ticker: str | None = None
    stated_mcap_usd: float | None = None

    @property
    def mint(self) -> str:
        """The address in normal form: EVM lower case, Solana unchanged."""
        return self.address.lower() if self.family == EVM else self.address


@dataclass(frozen=True, slots=True)
class Classification:
    """``kind`` of a message, its calls (kinds call and bot_alert), its card (kind bot_reply).

    ``rule_id`` and ``reason`` say why an ambiguous message is quarantined.
    """

    kind: str
    calls: tuple[Call, ...] = ()
    card: BotCard | None = None
    rule_id: str | None = None
    reason: str | None = None

    @property
    def is_alert(self) -> bool:
        """Whether the message makes alerts."""
        return self.kind in ALERT_KINDS


_PLAIN, _SERVICE, _UNSUPPORTED = (Classification(kind) for kind in (NO_ALERT, SERVICE, UNSUPPORTED))


def classify(message: TelegramMessage) -> Classification:
    """What ``message`` is. Never raises."""
    if message.message_type != MESSAGE:
        return _SERVICE if message.message_type == SERVICE else _UNSUPPORTED
    by_bot = is_bot_name(message.sender_name)
    if not by_bot and is_plain(message.text, message.links):
        return _PLAIN
    return classify_in_full(message, by_bot=by_bot)


def classify_in_full(message: TelegramMessage, *, by_bot: bool) -> Classification:
    """What a message of type `MESSAGE` is, by every rule; `classify` says the same, and is faster for plain talk."""
    text = message.text
    if not by_bot and _COMMAND.match(text):
        return Classification(COMMAND)
    card = parse_card(text)
    if card is not None:
        is_passed_on = not by_bot and (message.forwarded_from is not None or message.via_bot is not None)
        return _card_passed_on(card) if is_passed_on else Classification(BOT_REPLY, card=card)
    if is_update(text):
        return Classification(UPDATE)
    reading = read_tokens(text, message.links)
    if by_bot and message.reply_to_message_id is not None and not _names_presale(reading):
        return Classification(BOT_REPLY)
    if reading.rule_id is not None:
        return Classification(AMBIGUOUS, rule_id=reading.rule_id, reason=reading.reason)
    if reading.tokens:
        return Classification(BOT_ALERT if by_bot else CALL, calls=_calls(reading.tokens, text))
    return Classification(TICKER_ONLY if _TICKERS_ONLY.fullmatch(text) else NO_ALERT)


def _names_presale(reading: TokenReading) -> bool:
    """Presale alerts are posts of their own, even where a forum makes every message an answer to its topic."""
    return any(token.address_kind == PRESALE_CONTRACT for token in reading.tokens)


def _calls(tokens: tuple[CalledToken, ...], text: str) -> tuple[Call, ...]:
    """Ticker and market cap in words are used only where they can belong to one token alone."""
    ticker = mcap = None
    if len(tokens) == 1:
        presale = _PRESALE_TICKER.search(text) if tokens[0].address_kind == PRESALE_CONTRACT else None
        tickers = {presale[1]} if presale else {match[1] for match in _CASHTAG.finditer(text)}
        ticker = tickers.pop() if len(tickers) == 1 else None
        mcap = stated_mcap(text)
    return tuple(
        Call(token.address, token.family, token.chain, token.address_kind, token.source, ticker, mcap)
        for token in tokens
    )


def _card_passed_on(card: BotCard) -> Classification:
    """A person who forwards a card, or asks an inline bot for one, calls its token.

    Numbers stay out: they are of another time, or nobody knows of which.
    """
    if card.address is None or card.address.lower() in STOP_LIST:
        return Classification(NO_ALERT)
    family = EVM if looks_evm(card.address) else "solana"
    chain = normalise_chain(card.chain) if card.chain else EVM_UNKNOWN
    ticker = card.ticker.lstrip("$") if card.ticker else None
    return Classification(CALL, calls=(Call(card.address, family, chain, "token", "text", ticker or None),))
