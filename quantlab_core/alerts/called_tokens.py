"""Which tokens a person's words and links name together: one token written three times is one token.

A pool link beside a token is that token's chart, not a second token. What cannot be decided from the message alone is
returned with the quarantine rule that it meets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from quantlab_core.alerts.addresses import EVM, STOP_LIST, FoundAddress, extract_addresses, normalise_chain
from quantlab_core.alerts.links import (
    ACCOUNT,
    POOL,
    POOL_OR_TOKEN,
    PRESALE_CONTRACT,
    TOKEN,
    LinkedAddress,
    UnreadableLink,
    find_urls,
    read_link,
)
from quantlab_core.token import EVM_CHAINS, EVM_UNKNOWN, SOLANA

POOL_KINDS = frozenset({POOL, POOL_OR_TOKEN})
# Of two readings of one address the more telling one counts; a bare address in the text says nothing about its kind.
_TELLING = {ACCOUNT: 0, POOL_OR_TOKEN: 1, TOKEN: 2, POOL: 3, PRESALE_CONTRACT: 4}

# An address that stands directly behind these words is somebody's wallet. Roles need a colon: people also say
# "based dev" before a call.
_WALLET_WORDS = (
    r"\b(?:(?:send|pay|donate|fund) (?:\w+ ){0,3}(?:to|here)"
    r"|wallets?|addy|(?:my|deposit) (?:\w{2,8} )?address|donations?|donate|tip jar|copy ?trade)\b"
)
_WALLET_PURPOSE = r"(?: to(?: track| copy| follow| watch)?)?(?: address)?(?: is)?"
_WALLET_BEFORE = re.compile(
    rf"(?:{_WALLET_WORDS}{_WALLET_PURPOSE}[^\w.!?;,|]*"
    r"|\b(?:dev(?:eloper)?|deployer|creator|owner|holder|whale|insider|sniper|treasury|team)(?: address)? ?[:=]\s*)$",
    re.IGNORECASE,
)
_WALLET_BEHIND = re.compile(
    r"[^\w\n]{0,4}(?:(?:is|=) (?:\w+ ){0,2}(?:wallet|addy)\b|\((?:\w+ ){0,2}(?:wallet|addy)\))", re.IGNORECASE
)
_WALLET_LOOK_BACK = 60
_CHAIN_WORDS = "|".join(
    sorted(
        {*(EVM_CHAINS - {EVM_UNKNOWN}), "eth", "bnb", "arb", "avax", "matic", "hyperliquid"},
        key=lambda word: (-len(word), word),
    )
)
_CHAIN_IN_TEXT = re.compile(
    rf"(?:\bon\s+(?:the\s+)?|\b(?:chain|network)\s*[:=]?\s*|#)({_CHAIN_WORDS})\b|^[^\w\n]*({_CHAIN_WORDS})[^\w\n]*$|\b({_CHAIN_WORDS})\s+(?:chain|network|ca|contract)\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class CalledToken:
    """One token of a message, spelled as there; ``source`` is ``text`` or ``link``."""

    address: str
    family: str
    chain: str
    address_kind: str
    source: str


@dataclass(frozen=True, slots=True)
class TokenReading:
    """The tokens of a message in order, or the rule and reason why they cannot be told."""

    tokens: tuple[CalledToken, ...] = ()
    rule_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Mention:
    address: FoundAddress
    kind: str
    chain: str | None
    source: str


def read_tokens(text: str, links: tuple[str, ...]) -> TokenReading:
    """The tokens that ``text`` and the hidden ``links`` name."""
    urls = find_urls(text)
    words = _without(text, urls)
    extraction = extract_addresses(words)
    if extraction.damaged:
        return TokenReading(rule_id=extraction.damaged[0].rule_id, reason=extraction.damaged[0].reason)
    mentions = [
        _Mention(found, TOKEN, SOLANA if found.family == SOLANA else None, "text")
        for found in extraction.found
        if not _is_wallet(words, found)
    ]
    unreadable: list[UnreadableLink] = []
    for url in (*(url for _, _, url in urls), *links):
        target = read_link(url)
        if isinstance(target, LinkedAddress):
            mentions.append(_Mention(target.address, target.address_kind, target.chain, "link"))
        elif target is not None:
            unreadable.append(target)
    return _decide(_merged(mentions), unreadable, words)


def _is_wallet(words: str, found: FoundAddress) -> bool:
    before = words[max(0, found.start - _WALLET_LOOK_BACK) : found.start]
    if _WALLET_BEFORE.search(before):
        return True
    return _WALLET_BEHIND.match(words, found.start + len(found.address)) is not None


def _decide(mentions: list[_Mention], unreadable: list[UnreadableLink], words: str) -> TokenReading:
    named = [mention for mention in mentions if mention.kind != ACCOUNT]
    tokens = [mention for mention in named if mention.kind not in POOL_KINDS]
    pools = [mention for mention in named if mention.kind in POOL_KINDS]
    if tokens and len(pools) > len(tokens):
        reason = f"{len(pools)} pool links beside {len(tokens)} tokens: which pool is whose chart cannot be told"
        return TokenReading(rule_id="pool_links_unmatched", reason=reason)
    chosen = tokens or pools
    if not chosen:
        return _nothing_named(mentions, unreadable)
    for mention in chosen:
        if mention.address.checksum_ok is False:
            reason = f"{mention.address.address} fails its EIP-55 checksum: a letter is wrong"
            return TokenReading(rule_id="evm_checksum", reason=reason)
    evm_chain = EVM_UNKNOWN if all(mention.chain for mention in chosen) else _evm_chain(named, words)
    return TokenReading(
        tuple(
            CalledToken(
                mention.address.address,
                mention.address.family,
                mention.chain or evm_chain,
                mention.kind,
                mention.source,
            )
            for mention in chosen
        )
    )


def _nothing_named(mentions: list[_Mention], unreadable: list[UnreadableLink]) -> TokenReading:
    if unreadable:
        return TokenReading(rule_id=unreadable[0].rule_id, reason=unreadable[0].reason)
    if mentions:
        reason = f"a block explorer's page of {mentions[0].address.address} may be a wallet's or a token's"
        return TokenReading(rule_id="explorer_account", reason=reason)
    return TokenReading()


def _merged(mentions: list[_Mention]) -> list[_Mention]:
    """One mention per address, none of the stop list: the first spelling, the most telling kind, any known chain."""
    merged: dict[str, _Mention] = {}
    for mention in mentions:
        key = mention.address.normal_form
        if key in STOP_LIST:
            continue
        known = merged.get(key)
        if known is None:
            merged[key] = mention
            continue
        kind = max(known.kind, mention.kind, key=_TELLING.__getitem__)
        merged[key] = replace(known, kind=kind, chain=known.chain or mention.chain)
    return list(merged.values())


def _evm_chain(named: list[_Mention], words: str) -> str:
    """The chain of EVM addresses that do not carry one: from the message's links, else its words, if they agree."""
    linked = {mention.chain for mention in named if mention.address.family == EVM and mention.chain is not None}
    if len(linked) == 1:
        return str(linked.pop())
    if not linked:
        stated = {normalise_chain(next(filter(None, match.groups()))) for match in _CHAIN_IN_TEXT.finditer(words)}
        if len(stated) == 1:
            return stated.pop()
    return EVM_UNKNOWN


def _without(text: str, urls: list[tuple[int, int, str]]) -> str:
    """``text`` with its links blanked out, positions kept."""
    pieces, position = [], 0
    for start, end, _ in urls:
        pieces += [text[position:start], " " * (end - start)]
        position = end
    return "".join([*pieces, text[position:]])
