"""The link table: what the address inside a link is (token, pool, presale, wallet) and on which chain.

One rule per form of link, first match wins. Sites that are not in the table are understood by the word that stands
before the address (``/token/``, ``/pools/``, ``?outputMint=``), where there is one. Any other link with an address is
reported as unknown, so that the message is quarantined and can be replayed after the site was added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import unquote

from quantlab_core.alerts.addresses import (
    CHAIN_ALIASES,
    EVM,
    STOP_LIST,
    FoundAddress,
    checksum_verdict,
    extract_addresses,
    is_base58_of_one_case,
    is_evm_address,
    is_evm_hash,
    is_solana_address,
    normalise_chain,
    without_unseen,
)
from quantlab_core.token import EVM_CHAINS, SOLANA

TOKEN = "token"  # noqa: S105 - a crypto token, no secret
POOL = "pool"
POOL_OR_TOKEN = "pool_or_token"  # noqa: S105 - a crypto token, no secret
PRESALE_CONTRACT = "presale_contract"
# Not an address kind of the tables: a block explorer's page of any account, which may be a wallet.
ACCOUNT = "account"
# The link holds an address that is never a token: a wallet, a transaction, a profile.
NO_TOKEN = "no_token"  # noqa: S105 - a crypto token, no secret

_URL = re.compile(
    r"https?://[^\s<>\"]+|(?<![\w@.\-/])(?:www\.)?[A-Za-z0-9][A-Za-z0-9\-]{0,62}(?:\.[A-Za-z0-9\-]{1,63}){0,3}\.[A-Za-z]{2,10}/[^\s<>\"]+",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}'*»”’"
# The last form is TON's, whose tokens are not supported.
_ADDRESS = (
    r"(?P<address>(?:0[xX][0-9a-fA-F]{64}|0[xX][0-9a-fA-F]{40}|[0-9A-Za-z]{32,44})(?![0-9A-Za-z])"
    r"|[EUk0]Q[0-9A-Za-z_-]{46}(?![0-9A-Za-z_-]))"
)
_CHAIN = r"(?P<chain>[a-z][a-z0-9_-]{1,31})"
_UNLISTED = "unlisted site"
_ANY_SITE = r"[a-z0-9.-]+/(?:[^?#]*/)?"
_LANGUAGE = r"(?:[a-z]{2}(?:-[a-z]{2})?/)?"
_KNOWN_CHAIN = f"(?P<chain>{'|'.join(sorted({SOLANA, *EVM_CHAINS, *CHAIN_ALIASES}, key=len, reverse=True))})"


@dataclass(frozen=True)
class LinkRule:
    """One form of link. ``form`` is matched at the start of ``host/path?query``, without scheme and ``www.``."""

    site: str
    form: str
    address_kind: str
    chain: str | None = None

    def is_of_host(self, host: str) -> bool:
        """Whether a link to ``host`` can have this form."""
        return re.fullmatch(self.form.partition("/")[0], host, re.IGNORECASE) is not None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when the first link to such a host comes: all of them together take longer than most exports do."""
        return re.compile(self.form, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LinkedAddress:
    """An address that a link names. ``chain`` is None where an EVM link does not say it."""

    address: FoundAddress
    address_kind: str
    chain: str | None
    site: str


@dataclass(frozen=True, slots=True)
class UnreadableLink:
    """A link that holds an address which cannot be used; ``rule_id`` is the quarantine rule that it meets."""

    url: str
    rule_id: str
    reason: str


def _rule(site: str, pattern: str, address_kind: str, chain: str | None = None) -> LinkRule:
    filled = pattern
    for name, part in (("address", _ADDRESS), ("chain", _CHAIN), ("known chain", _KNOWN_CHAIN), ("site", _ANY_SITE)):
        filled = filled.replace(f"{{{name}}}", part)
    return LinkRule(site, filled, address_kind, chain)


_EXPLORERS = {
    r"etherscan\.io": "ethereum",
    r"basescan\.org": "base",
    r"bscscan\.com": "bsc",
    r"arbiscan\.io": "arbitrum",
    r"polygonscan\.com": "polygon",
    r"optimistic\.etherscan\.io": "optimism",
    r"snowtrace\.io": "avalanche",
    r"blastscan\.io": "blast",
    r"abscan\.org": "abstract",
    r"sonicscan\.org": "sonic",
    r"berascan\.com": "berachain",
    r"uniscan\.xyz": "unichain",
    r"lineascan\.build": "linea",
    r"hyperevmscan\.io": "hyperevm",
    r"monadscan\.com": "monad",
}

LINK_RULES: tuple[LinkRule, ...] = (
    _rule("DexScreener", r"dexscreener\.com/{chain}/{address}", POOL_OR_TOKEN),
    _rule("GeckoTerminal", r"geckoterminal\.com/" + _LANGUAGE + r"{chain}/pools/{address}", POOL),
    _rule("GeckoTerminal", r"geckoterminal\.com/" + _LANGUAGE + r"{chain}/tokens/{address}", TOKEN),
    _rule("pump.fun", r"pump\.fun/profile/{address}", NO_TOKEN),
    _rule("pump.fun", r"pump\.fun/(?:coin/|board\?token=)?{address}", TOKEN, SOLANA),
    _rule("PumpSwap", r"swap\.pump\.fun/\?(?:.*&)?output={address}", TOKEN, SOLANA),
    _rule("letsbonk.fun", r"letsbonk\.fun/token/{address}", TOKEN, SOLANA),
    _rule("bags.fm", r"bags\.fm/{address}", TOKEN, SOLANA),
    _rule("Believe", r"believe\.app/coin/{address}", TOKEN, SOLANA),
    _rule("bonk.fun", r"bonk\.fun/token/{address}", TOKEN, SOLANA),
    _rule("Moonshot", r"moonshot\.money/{address}", TOKEN, SOLANA),
    _rule("Axiom", r"axiom\.trade/meme/{address}(?:.*[?&]chain={chain})?", POOL),
    _rule("Axiom", r"axiom\.trade/t/{address}(?:.*[?&]chain={chain})?", TOKEN),
    _rule("Photon", r"photon-(?P<chain>[a-z]+)\.tinyastro\.io/(?:[a-z]{2}/)?lp/{address}", POOL),
    _rule("Photon", r"photon-(?P<chain>[a-z]+)\.tinyastro\.io/(?:[a-z]{2}/)?(?:r/|@)[^/?]+/{address}", POOL_OR_TOKEN),
    _rule("GMGN", r"gmgn\.ai/{chain}/address/(?:[^/?]*_)?{address}", NO_TOKEN),
    _rule("GMGN", r"gmgn\.ai/{chain}/token/(?:[^/?]*_)?{address}", TOKEN),
    _rule(
        "BullX",
        r"(?:[a-z0-9-]+\.)?bullx\.io/terminal\?(?:.*&)?chainId=(?P<chain>\d+)&(?:.*&)?address={address}",
        TOKEN,
    ),
    _rule(
        "BullX",
        r"(?:[a-z0-9-]+\.)?bullx\.io/terminal\?(?:.*&)?address={address}(?:.*&chainId=(?P<chain>\d+))?",
        TOKEN,
    ),
    _rule("Birdeye", r"birdeye\.so/(?:{chain}/)?profile/{address}", NO_TOKEN),
    _rule("Birdeye", r"birdeye\.so/token/{address}(?:/[^?]*)?(?:\?(?:.*&)?chain={chain})?", TOKEN),
    _rule("Birdeye", r"birdeye\.so/{chain}/token/{address}", TOKEN),
    _rule("Birdeye", r"birdeye\.so/{chain}/pair/{address}", POOL),
    _rule("Defined", r"defined\.fi/wallet/{address}", NO_TOKEN),
    _rule("Defined", r"defined\.fi/{chain}/{address}", POOL_OR_TOKEN),
    _rule("DEXTools", r"dextools\.io/app/(?:[a-z]{2}/)?{chain}/pair-explorer/{address}", POOL_OR_TOKEN),
    _rule("DEXTools", r"dextools\.io/app/(?:[a-z]{2}/)?{chain}/token/{address}", TOKEN),
    _rule("Padre", r"trade\.padre\.gg/(?:rk/[^/?]+/)?trade/{chain}/{address}", POOL_OR_TOKEN),
    _rule("Gate Alpha", r"gate\.(?:com|io)/(?:[a-z]{2}/)?alpha/{chain}-{address}", TOKEN),
    _rule("Jupiter", r"jup\.ag/(?:tokens|studio)/{address}", TOKEN, SOLANA),
    _rule("Jupiter", r"jup\.ag/swap/[^/?]+-{address}", TOKEN, SOLANA),
    _rule("Jupiter", r"jup\.ag/swap/{address}-", TOKEN, SOLANA),
    _rule("Jupiter", r"jup\.ag/.*[?&]buy={address}", TOKEN, SOLANA),
    _rule("Jupiter", r"jup\.ag/.*[?&]sell={address}", TOKEN, SOLANA),
    _rule("Raydium", r"raydium\.io/swap/?\?(?:.*&)?output(?:Mint|Currency)={address}", TOKEN, SOLANA),
    _rule("Raydium", r"raydium\.io/swap/?\?(?:.*&)?input(?:Mint|Currency)={address}", TOKEN, SOLANA),
    _rule("Raydium", r"raydium\.io/launchpad/token/?\?(?:.*&)?mint={address}", TOKEN, SOLANA),
    _rule("Raydium", r"raydium\.io/.*[?&]pool_id={address}", POOL, SOLANA),
    _rule("Meteora", r"(?:app\.)?meteora\.ag/(?:dlmm|pools|dammv2)/{address}", POOL, SOLANA),
    _rule("RugCheck", r"rugcheck\.xyz/tokens/{address}", TOKEN, SOLANA),
    _rule("SolSniffer", r"solsniffer\.com/scanner/{address}", TOKEN, SOLANA),
    _rule("Bubblemaps", r"app\.bubblemaps\.io/{chain}/token/{address}", TOKEN),
    _rule("Bubblemaps", r"(?:v2\.)?bubblemaps\.io/.*[?&]address={address}(?:.*&chain={chain})?", TOKEN),
    _rule("Honeypot.is", r"honeypot\.is/{chain}/?\?(?:.*&)?address={address}", TOKEN),
    _rule("GoPlus", r"gopluslabs\.io/(?:.*/)?token-security/(?P<chain>\d+|solana)/{address}", TOKEN),
    _rule("CoinMarketCap", r"(?:dex\.)?coinmarketcap\.com/(?:[a-z]{2}/)?dexscan/{chain}/{address}", POOL_OR_TOKEN),
    _rule("Uniswap", r"app\.uniswap\.org/explore/tokens/{chain}/{address}", TOKEN),
    _rule("Uniswap", r"app\.uniswap\.org/explore/pools/{chain}/{address}", POOL),
    _rule("Uniswap", r"app\.uniswap\.org/.*[?&]chain={chain}&(?:.*&)?outputCurrency={address}", TOKEN),
    _rule("Uniswap", r"app\.uniswap\.org/.*?outputCurrency={address}(?:.*&chain={chain})?", TOKEN),
    _rule("PancakeSwap", r"pancakeswap\.finance/.*[?&]chain={chain}&(?:.*&)?outputCurrency={address}", TOKEN),
    _rule("PancakeSwap", r"pancakeswap\.finance/.*?outputCurrency={address}(?:.*&chain={chain})?", TOKEN, "bsc"),
    _rule("SunPump", r"sunpump\.meme/token/{address}", TOKEN, "tron"),
    _rule("Tronscan", r"tronscan\.(?:org|io)/#/token(?:20)?/{address}", TOKEN, "tron"),
    _rule("four.meme", r"four\.meme/token/{address}", TOKEN, "bsc"),
    _rule("GemPad", r"gempad\.app/presale/{address}(?:.*[?&](?:network|chain)=(?P<chain>\w+))?", PRESALE_CONTRACT),
    _rule("Solsale", r"solsale\.app/presale/{address}", PRESALE_CONTRACT, SOLANA),
    _rule("PinkSale", r"pinksale\.finance/(?:launchpad|presale)/(?:{chain}/)?{address}", PRESALE_CONTRACT),
    _rule("Solscan", r"solscan\.io/token/{address}", TOKEN, SOLANA),
    _rule("Solscan", r"solscan\.io/(?:account|address)/{address}", ACCOUNT, SOLANA),
    _rule("Solana Explorer", r"explorer\.solana\.com/address/{address}", ACCOUNT, SOLANA),
    *(_rule(host.replace("\\", ""), host + "/token/{address}", TOKEN, chain) for host, chain in _EXPLORERS.items()),
    *(_rule(host.replace("\\", ""), host + "/address/{address}", ACCOUNT, chain) for host, chain in _EXPLORERS.items()),
    _rule("X search", r"(?:x|twitter)\.com/search\?(?:.*&)?q=(?:[^&]*[^&0-9A-Za-z])?{address}", TOKEN),
    # Any other site, by the word before the address.
    _rule(_UNLISTED, r"{site}(?:wallets?|profiles?|portfolios?|users?|u|traders?|holders?)/{address}", NO_TOKEN),
    _rule(_UNLISTED, r"{site}(?:address|accounts?)/{address}", ACCOUNT),
    _rule(_UNLISTED, r"{site}{known chain}/(?:pools?|pairs?|pair-explorer|lp)/{address}", POOL),
    _rule(_UNLISTED, r"{site}(?:pools?|pairs?|pair-explorer|lp)/(?:{known chain}[/:-])?{address}", POOL),
    _rule(_UNLISTED, r"{site}{known chain}/(?:tokens?|coins?|ca|mint)/{address}", TOKEN),
    _rule(_UNLISTED, r"{site}(?:tokens?|coins?|ca|mint)/(?:{known chain}[/:-])?{address}", TOKEN),
    _rule(_UNLISTED, r"{site}(?:trade|chart|terminal|swap)/(?:{known chain}[/:-])?{address}", POOL_OR_TOKEN),
    _rule(
        _UNLISTED,
        r"[a-z0-9.-]+/[^?#]*[?#](?:.*&)?(?:output(?:Mint|Currency|Token)?|buy|mint|token(?:Address|Mint)?|ca)={address}"
        r"(?:.*&chain={known chain})?",
        TOKEN,
    ),
)
_LINK_IN_A_LINK = re.compile(r"[^?]*\?(?:.*&)?(?:url|u|q|link|target|redirect)=(?P<url>https?://\S+)", re.IGNORECASE)

# Rick's own start parameter is often the pool; the trading bots take the token.
_BOT_START = re.compile(
    r"t(?:elegram)?\.me/(?P<bot>\w+)(?:/\w+)?/?\?(?:.*&)?start(?:app)?=(?P<payload>[^&#]+)", re.IGNORECASE
)
_APP_LINK = re.compile(r"^tg://resolve/?\?domain=(\w+)&", re.IGNORECASE)
_HOST_END = re.compile(r"[/?#]")
_BOT_WALLET = re.compile(r"(?:pf)?dev[_-]|call[_-]|w(?:allet)?[_-]", re.IGNORECASE)
_POOL_STARTING_BOTS = frozenset({"rickburpbot"})
_CHAIN_NUMBERS = {
    "1399811149": SOLANA,
    "1": "ethereum",
    "10": "optimism",
    "56": "bsc",
    "137": "polygon",
    "146": "sonic",
    "2741": "abstract",
    "8453": "base",
    "42161": "arbitrum",
    "43114": "avalanche",
    "80094": "berachain",
    "81457": "blast",
}


def find_urls(text: str) -> list[tuple[int, int, str]]:
    """(start, end, url) of each link written out in ``text``, with or without a scheme, closing punctuation cut off."""
    urls: list[tuple[int, int, str]] = []
    if "/" not in text:
        return urls
    for match in _URL.finditer(text):
        url = match.group().rstrip(_TRAILING)
        urls.append((match.start(), match.start() + len(url), url))
    return urls


def read_link(url: str) -> LinkedAddress | UnreadableLink | None:
    """The address that ``url`` names, a reason why it cannot be used, or None for a link without a token."""
    location = _host_and_path(url)
    if match := _BOT_START.match(location):
        return _read_bot_start(match)
    names_money = False
    for rule in _rules_of(location.partition("/")[0]):
        if match := rule.pattern.match(location):
            if rule.address_kind == NO_TOKEN:
                return None
            if rule.site == _UNLISTED and not _is_certain(match["address"], rule.address_kind):
                continue
            if not _is_money(match["address"]):  # of a swap's two sides the other one is the token
                return _read_match(rule, match, url)
            names_money = True
    if nested := _LINK_IN_A_LINK.match(location):
        return read_link(nested["url"])
    found = extract_addresses(location).found
    if found and not names_money:
        return UnreadableLink(url, "unknown_link", f"the link table does not know what {found[0].address} is in {url}")
    return None


@lru_cache(maxsize=1024)
def _rules_of(host: str) -> tuple[LinkRule, ...]:
    return tuple(rule for rule in LINK_RULES if rule.is_of_host(host))


def _read_match(rule: LinkRule, match: re.Match[str], url: str) -> LinkedAddress | UnreadableLink:
    address, kind = match["address"], rule.address_kind
    is_hex = is_evm_address(address) or is_evm_hash(address)
    named_chain = match.groupdict().get("chain")
    chain = rule.chain if named_chain is None else _CHAIN_NUMBERS.get(named_chain, normalise_chain(named_chain))
    if is_hex:
        if chain == SOLANA:
            return UnreadableLink(url, "link_address_invalid", f"{rule.site} link to Solana holds a hex address")
        if is_evm_hash(address):
            kind = POOL
        return LinkedAddress(FoundAddress(address, EVM, 0, _checksum(address)), kind, chain, rule.site)
    if chain is not None and chain != SOLANA:
        reason = f"{rule.site} link to {chain}: {address} is not an address of a supported kind"
        return UnreadableLink(url, "chain_not_supported", reason)
    if is_base58_of_one_case(address):
        reason = f"{rule.site} link holds a Solana address whose letters all have one case, which names nothing"
        return UnreadableLink(url, "base58_lowercased", reason)
    if not is_solana_address(address):
        reason = f"{rule.site} link: {address} is not base58 of 32 bytes"
        return UnreadableLink(url, "link_address_invalid", reason)
    return LinkedAddress(FoundAddress(address, SOLANA, 0), kind, SOLANA, rule.site)


def _read_bot_start(match: re.Match[str]) -> LinkedAddress | None:
    """A bot's start parameter: the address among its parts, ``snp_ref_<mint>``, ``<mint>-ref`` or ``<mint>_solana``."""
    payload = match["payload"]
    if _BOT_WALLET.match(payload):
        return None
    found = extract_addresses(payload).found
    if len(found) != 1:
        return None
    last_part = re.split(r"[_-]", payload)[-1]
    chain = normalise_chain(last_part) if last_part.isalpha() and found[0].family == EVM else None
    kind = POOL_OR_TOKEN if match["bot"].lower() in _POOL_STARTING_BOTS else TOKEN
    known = chain if chain in _START_CHAINS else None
    return LinkedAddress(found[0], kind, SOLANA if found[0].family == SOLANA else known, f"t.me/{match['bot']}")


def _is_certain(address: str, kind: str) -> bool:
    """Whether it is an address for certain: sites put ids of their own in the same places, and Sui's 64 digits."""
    is_solana = is_solana_address(address) and not is_base58_of_one_case(address)
    return is_solana or is_evm_address(address) or (kind == POOL and is_evm_hash(address))


def _is_money(address: str) -> bool:
    return address in STOP_LIST or address.lower() in STOP_LIST


def _checksum(address: str) -> bool | None:
    return checksum_verdict(address) if is_evm_address(address) else None


def _host_and_path(url: str) -> str:
    shown = _APP_LINK.sub(r"t.me/\1?", without_unseen(unquote(url.strip())))
    without_scheme = re.sub(r"^https?://", "", shown, flags=re.IGNORECASE)
    end = match.start() if (match := _HOST_END.search(without_scheme)) else len(without_scheme)
    host, path = without_scheme[:end].lower(), without_scheme[end:]
    for prefix in ("www.", "m."):
        host = host.removeprefix(prefix)
    return f"{host}/{path.removeprefix('/')}"


_START_CHAINS = frozenset(_CHAIN_NUMBERS.values())
