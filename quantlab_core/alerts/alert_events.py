"""The calls of one UTC day, each joined with the bot cards that answered it.

A card may do two things for a call: name the token behind a pool link, a chain or a ticker, and give numbers. The
second is where look-ahead hides: cards are refreshed in place, so their body may be hours newer than the call. Numbers
are taken only as of the call (see `card_values`), else they are null and ``withheld_reason`` says why.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.alerts.artifact_types import ALERT_EVENTS, TELEGRAM_MESSAGES
from quantlab_core.alerts.bot_cards import BotCard
from quantlab_core.alerts.called_tokens import POOL_KINDS, read_tokens
from quantlab_core.alerts.caller_names import normalise_name
from quantlab_core.alerts.classification import Call, Classification, classify
from quantlab_core.alerts.links import POOL, TOKEN, LinkedAddress, read_link
from quantlab_core.alerts.plain_messages import is_plain
from quantlab_core.alerts.reply_windows import PROOF_WINDOW, REPLY_WINDOW, SETTLING_TIME
from quantlab_core.alerts.telegram_message import TelegramMessage, edits_are_told
from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.token import EVM_UNKNOWN, plain_address

# HTML writes the line and paragraph separators of Unicode as line breaks.
_LINE_ENDS = re.compile("[\u2028\u2029]")

_LOWERED = re.compile(r"(?<![0-9A-Za-z])[1-9a-z]{40,44}(?![0-9A-Za-z])")

_MESSAGE_FIELDS = TELEGRAM_MESSAGES.schema.names


@dataclass(frozen=True, slots=True)
class _Reply:
    message: TelegramMessage
    card: BotCard
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class CardValues:
    """The numbers of a card that are as of the call, in USD, and why others are missing."""

    mcap_usd: float | None = None
    price_usd: float | None = None
    liquidity_usd: float | None = None
    withheld_reason: str | None = None


def events_of_day(messages: pa.Table, day: date) -> pa.Table:
    """Every mention of a token by a call of ``day`` (UTC), in every version of the message: ``alerts_event_v1`` rows.

    ``messages`` holds the rows of all exports with ``day 00:00 <= sent_ts < next day 00:00 + REPLY_WINDOW``; others
    are ignored. Rows of equal (chat, message, content) from overlapping exports count once. The result depends neither
    on row order nor on how the rows are spread over exports.
    """
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    calls: list[tuple[TelegramMessage, Classification]] = []
    replies: dict[tuple[int, int], list[_Reply]] = defaultdict(list)
    for message in _distinct_messages(messages, start, end + REPLY_WINDOW):
        classification = classify(message)
        if classification.is_alert and message.sent_ts < end:
            calls.append((message, classification))
        elif classification.card is not None and message.reply_to_message_id is not None:
            reply = _Reply(message, classification.card, _addresses_of(message, classification.card))
            replies[message.chat_id, message.reply_to_message_id].append(reply)
    rows = [row for message, found in calls for row in _event_rows(message, found.calls, replies)]
    table = pa.Table.from_pylist(rows, schema=ALERT_EVENTS.schema)
    return table.sort_by([(name, "ascending") for name in (*ALERT_EVENTS.sort_key, "chain")])


def alert_id(chat_id: int, message_id: int, chain: str, mint: str) -> str:
    """``al_`` and 16 hex digits of the SHA-256 over chat, message, chain and token."""
    return "al_" + hashlib.sha256(f"{chat_id}|{message_id}|{chain}|{mint}".encode()).hexdigest()[:16]


def card_values(
    card: BotCard,
    *,
    sent_ts: datetime,
    edited_ts: datetime | None,
    call_ts: datetime,
    edits_are_told: bool = True,
) -> CardValues:
    """The numbers of a card that are as of the call that it answers.

    The footer's market cap counts if the footer speaks of this very call: it says so (``You are first``), or the age
    of the first call that it shows leads back to the call's time. The body counts if the card was sent within
    `PROOF_WINDOW` of the call and not edited later than `SETTLING_TIME` after it was sent; where the export does not
    tell edits, nobody knows that.
    """
    footer = card.mcap_at_call_usd if _footer_is_about(card, edited_ts or sent_ts, call_ts) else None
    late_s = (sent_ts - call_ts).total_seconds()
    refreshed_s = 0.0 if edited_ts is None else (edited_ts - sent_ts).total_seconds()
    if late_s > PROOF_WINDOW.total_seconds():
        return CardValues(footer, withheld_reason=f"the card came {late_s:.0f} s after the call")
    if refreshed_s > SETTLING_TIME.total_seconds():
        return CardValues(footer, withheld_reason=f"the card was refreshed {refreshed_s:.0f} s after it was sent")
    if not edits_are_told:
        return CardValues(footer, withheld_reason="the export does not say whether the card was refreshed")
    return CardValues(card.mcap_usd if footer is None else footer, card.price_usd, card.liquidity_usd)


def _footer_is_about(card: BotCard, shown_at: datetime, call_ts: datetime) -> bool:
    if card.is_first:
        return True
    if card.first_call_age_s is None:
        return False
    # An age is cut to its unit ("10m" is 10 to 11 minutes): the slack is one unit, and 5 s for the bot to answer.
    unit = next(size for size in (31_536_000, 604_800, 86_400, 3_600, 60, 1) if card.first_call_age_s % size == 0)
    age = (shown_at - call_ts).total_seconds()
    # A unit of a day or more could as well be another call of that day.
    return unit < 86_400 and card.first_call_age_s - 5 <= age < card.first_call_age_s + unit + 5


def _event_rows(
    message: TelegramMessage, calls: Sequence[Call], replies: Mapping[tuple[int, int], Sequence[_Reply]]
) -> Iterator[dict[str, object]]:
    answers = sorted(
        (
            reply
            for reply in replies.get((message.chat_id, message.message_id), ())
            if timedelta(0) <= reply.message.sent_ts - message.sent_ts <= REPLY_WINDOW
            and reply.card.address is not None
        ),
        key=lambda reply: (reply.message.sent_ts, reply.message.message_id, reply.message.content_id),
    )
    emitted: set[tuple[str, str]] = set()
    for call in calls:
        row = _event_row(message, call, [reply for reply in answers if _answers(reply, message, call, calls)])
        token = (str(row["chain"]), str(row["mint"]))
        if token not in emitted:  # two links may turn out to be two pools of one token
            emitted.add(token)
            yield row


def _event_row(message: TelegramMessage, call: Call, answers: Sequence[_Reply]) -> dict[str, object]:
    mint, chain, kind, source = call.mint, call.chain, call.address_kind, call.source
    ticker = call.ticker
    if answers:
        token = next((mint for reply in answers if _token_of(reply) == mint), _token_of(answers[0]))
        if token != mint:
            mint, kind, source = token, POOL if kind in {*POOL_KINDS, TOKEN} else kind, "bot_reply"
        elif kind in POOL_KINDS:
            kind = TOKEN
        if chain == EVM_UNKNOWN:
            chain = next((reply.card.chain for reply in answers if reply.card.chain), EVM_UNKNOWN)
        shown = next((reply.card.ticker for reply in answers if reply.card.ticker), None)
        ticker = (shown.lstrip("$") or None) if shown else ticker
    same_token = [reply for reply in answers if _token_of(reply) == mint]
    bot, values = _best_values(same_token, message.sent_ts)
    mcap = values.mcap_usd
    if mcap is None and message.is_known_unedited:
        mcap = call.stated_mcap_usd
    proven = any(reply.message.sent_ts - message.sent_ts <= PROOF_WINDOW for reply in same_token)
    return {
        "event_ts_utc": message.sent_ts,
        "alert_id": alert_id(message.chat_id, message.message_id, chain, mint),
        "chain": chain,
        "mint": mint,
        "called_address": call.address,
        "address_kind": kind,
        "mint_source": source,
        "alert_chat_id": message.chat_id,
        "alert_chat_name": message.chat_name,
        "alert_message_id": message.message_id,
        "caller_id": message.sender_id,
        "caller_name": message.sender_name,
        "caller_name_norm": normalise_name(message.sender_name),
        "ticker": ticker,
        "mcap_at_call_usd": mcap,
        "price_at_call_usd": values.price_usd,
        "liquidity_at_call_usd": values.liquidity_usd,
        "withheld_reason": values.withheld_reason,
        "bot_name": None if bot is None else bot.message.sender_name or bot.card.bot,
        "bot_message_id": None if bot is None else bot.message.message_id,
        "edited_ts": message.edited_ts,
        "token_proven_at_call": message.is_known_unedited or proven,
        "content_id": message.content_id,
    }


def _answers(reply: _Reply, message: TelegramMessage, call: Call, calls: Sequence[Call]) -> bool:
    """Whether the card speaks of this call: it names the address, as token or as pool, or nothing else can be meant.

    A card that is older than the edit which this version comes from may have answered other words.
    """
    if call.mint in reply.addresses or call.mint.lower() in reply.addresses:
        return True
    if message.edited_ts is not None and message.edited_ts > reply.message.sent_ts:
        return False
    others_named = any(other.mint in reply.addresses for other in calls if other is not call)
    return call.address_kind in POOL_KINDS and len(calls) == 1 and not others_named


def _best_values(replies: Sequence[_Reply], call_ts: datetime) -> tuple[_Reply | None, CardValues]:
    """The first card with nothing withheld; else the first with a market cap; else the first."""
    rated = [
        (
            reply,
            card_values(
                reply.card,
                sent_ts=reply.message.sent_ts,
                edited_ts=reply.message.edited_ts,
                call_ts=call_ts,
                edits_are_told=edits_are_told(reply.message.content_id),
            ),
        )
        for reply in replies
    ]
    if not rated:
        return None, CardValues()
    return min(rated, key=lambda pair: (pair[1].withheld_reason is not None, pair[1].mcap_usd is None))


def _addresses_of(message: TelegramMessage, card: BotCard) -> frozenset[str]:
    """Normal forms of the token and of every pool or token that the card links to, Rick's lower-cased ones as well."""
    linked = (read_link(url) for url in message.links)
    named = {target.address.normal_form for target in linked if isinstance(target, LinkedAddress)}
    named |= {run for url in message.links for run in _LOWERED.findall(url)}
    return frozenset(named | ({plain_address(card.address)} if card.address else set()))


def _token_of(reply: _Reply) -> str:
    return plain_address(reply.card.address or "")


def _distinct_messages(messages: pa.Table, start: datetime, end: datetime) -> Iterator[TelegramMessage]:
    """One message per (chat, id, content), whatever order and number of exports the rows come from."""
    in_window = (pc.field("sent_ts") >= pa.scalar(start, UTC_TIMESTAMP)) & (
        pc.field("sent_ts") < pa.scalar(end, UTC_TIMESTAMP)
    )
    wanted = telling_messages(messages.filter(in_window).select(_MESSAGE_FIELDS))
    keep: dict[tuple[int, int, str], dict[str, Any]] = {}
    for row in wanted.to_pylist():
        key = (row["chat_id"], row["message_id"], row["content_id"])
        known = keep.get(key)
        # Names are no part of the content: of a person's or chat's several names the smallest is taken, to be stable.
        if known is None or _names(row) < _names(known):
            keep[key] = row
    told: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in keep.values():
        if edits_are_told(row["content_id"]):
            told[row["chat_id"], row["message_id"]].append(row)
    for row in keep.values():
        if edits_are_told(row["content_id"]) or not any(
            _says_the_same(row, other) for other in told[row["chat_id"], row["message_id"]]
        ):
            yield TelegramMessage(**{**row, "links": tuple(row["links"])})


def telling_messages(messages: pa.Table) -> pa.Table:
    """The messages without plain talk, which makes no call and no card whoever sends it: most need no object each.

    `events_of_day` gives the same for them as for all.
    """
    links = pc.list_value_length(messages["links"]).to_pylist()
    texts = messages["text"].to_pylist()
    is_telling = [bool(count) or not is_plain(str(text), ()) for text, count in zip(texts, links, strict=True)]
    return messages.filter(pa.array(is_telling, pa.bool_()))


def _says_the_same(less: Mapping[str, Any], more: Mapping[str, Any]) -> bool:
    """Whether a version from an export that tells less is the one that ``more`` tells in full, not another one.

    The words must be the same, and the links must lead to the same tokens; how a form writes links does not matter.
    """
    words, full_words = (_LINE_ENDS.sub("\n", row["text"]) for row in (less, more))
    if words != full_words:
        return False
    links, full_links = tuple(less["links"]), tuple(more["links"])
    return set(links) <= set(full_links) or read_tokens(words, links) == read_tokens(words, full_links)


def _names(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return (row["sender_name"] or "", row["chat_name"] or "", row["ordinal"])
