"""What the address in a link is, site by site."""

from __future__ import annotations

import re

import pytest

from quantlab_core.alerts.links import LINK_RULES, LinkedAddress, LinkRule, UnreadableLink, find_urls, read_link
from quantlab_tests.core.alerts.invented_chat import contract, mint

SOL, EVM = mint("owl"), contract("owl")
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


@pytest.mark.parametrize(
    ("url", "kind", "chain"),
    [
        (f"https://dexscreener.com/solana/{SOL}", "pool_or_token", "solana"),
        (f"https://www.dexscreener.com/base/{EVM}?maker=1", "pool_or_token", "base"),
        (f"https://dexscreener.com/newchain/0x{'ab' * 32}", "pool", "newchain"),
        (f"https://www.geckoterminal.com/eth/pools/{EVM}", "pool", "ethereum"),
        (f"https://www.geckoterminal.com/de/solana/tokens/{SOL}", "token", "solana"),
        (f"pump.fun/{SOL}", "token", "solana"),
        (f"https://pump.fun/coin/{SOL}", "token", "solana"),
        (f"https://swap.pump.fun/?input=SOL&output={SOL}", "token", "solana"),
        (f"https://swap.pump.fun?input=SOL&output={SOL}", "token", "solana"),
        (f"https://axiom.trade/meme/{SOL}?chain=sol", "pool", "solana"),
        (f"https://axiom.trade/t/{SOL}/@ref", "token", "solana"),
        (f"https://photon-sol.tinyastro.io/en/lp/{SOL}?handle=1", "pool", "solana"),
        (f"https://photon-base.tinyastro.io/en/r/@ref/{EVM}", "pool_or_token", "base"),
        (f"https://gmgn.ai/sol/token/ref123_{SOL}", "token", "solana"),
        (f"https://neo.bullx.io/terminal?chainId=1399811149&address={SOL}", "token", "solana"),
        (f"https://bullx.io/terminal?address={EVM}&chainId=8453", "token", "base"),
        (f"https://birdeye.so/token/{SOL}?chain=solana", "token", "solana"),
        (f"https://solscan.io/token/{SOL}", "token", "solana"),
        (f"https://solscan.io/account/{SOL}", "account", "solana"),
        (f"https://etherscan.io/token/{EVM}", "token", "ethereum"),
        (f"https://basescan.org/address/{EVM}", "account", "base"),
        (f"https://www.gate.com/alpha/newchain-{EVM}", "token", "newchain"),
        (f"https://gempad.app/presale/{EVM}?network=Arbitrum_One", "presale_contract", "arbitrum"),
        (f"https://solsale.app/presale/{SOL}", "presale_contract", "solana"),
        (f"https://x.com/search?q={SOL}", "token", "solana"),
        (f"https://x.com/search?q=%24OWL%20({SOL})&src=typed_query", "token", "solana"),
        (f"https://birdeye.so/solana/pair/{SOL}", "pool", "solana"),
        (f"https://photon-sol.tinyastro.io/@ref/{SOL}", "pool_or_token", "solana"),
        (f"https://backup2.bullx.io/terminal?chainId=8453&r=ref&address={EVM}", "token", "base"),
        (f"https://trade.padre.gg/rk/ann/trade/solana/{SOL}", "pool_or_token", "solana"),
        (f"https://jup.ag/swap?sell={USDC}&buy={SOL}", "token", "solana"),
        (f"https://jup.ag/swap?sell={SOL}&buy={USDC}", "token", "solana"),
        (f"https://jup.ag/swap/{SOL}-SOL", "token", "solana"),
        (f"https://jup.ag/swap/{USDC}-{SOL}", "token", "solana"),
        (f"https://raydium.io/swap/?inputMint={SOL}&outputMint={USDC}", "token", "solana"),
        (f"https://raydium.io/launchpad/token/?mint={SOL}", "token", "solana"),
        (f"https://raydium.io/clmm/create-position/?pool_id={SOL}", "pool", "solana"),
        (f"https://app.meteora.ag/dlmm/{SOL}", "pool", "solana"),
        (f"https://app.uniswap.org/#/swap?chain=mainnet&outputCurrency={EVM}", "token", "ethereum"),
        (f"https://app.uniswap.org/explore/pools/base/{EVM}", "pool", "base"),
        (f"https://pancakeswap.finance/swap?outputCurrency={EVM}", "token", "bsc"),
        (f"https://pancakeswap.finance/swap?chain=base&outputCurrency={EVM}", "token", "base"),
        (f"https://v2.bubblemaps.io/map?address={SOL}&chain=solana", "token", "solana"),
        (f"https://gopluslabs.io/token-security/56/{EVM}", "token", "bsc"),
        (f"https://moonshot.money/{SOL}?ref=1", "token", "solana"),
        (f"tg://resolve?domain=some_trojanbot&start=r-ann-{SOL}", "token", "solana"),
        (f"https://t.me/share/url?url=https%3A%2F%2Fpump.fun%2F{SOL}&text=gm", "token", "solana"),
        (f"https://pump.fun/{SOL[:20]}\u200b{SOL[20:]}", "token", "solana"),
        (f"https://t.me/some_trading_bot?start=snp_ref_{SOL}", "token", "solana"),
        (f"https://t.me/RickBurpBot?start={SOL}", "pool_or_token", "solana"),
        (f"https://t.me/RickBurpBot/dsapp?startapp={EVM}_base&mode=compact", "pool_or_token", "base"),
        (f"https://t.me/some_bot?start={EVM}", "token", None),
    ],
)
def test_a_known_link_says_kind_and_chain(url: str, kind: str, chain: str | None) -> None:
    target = read_link(url)
    assert isinstance(target, LinkedAddress)
    assert (target.address_kind, target.chain) == (kind, chain)
    assert target.address.address in url.replace("\u200b", "")


@pytest.mark.parametrize(
    ("path", "kind", "chain"),
    [
        (f"token/{SOL}", "token", "solana"),
        (f"en/tokens/solana/{SOL}?ref=1", "token", "solana"),
        (f"token/eth/{EVM}", "token", "ethereum"),
        (f"base/token/{EVM}", "token", "base"),
        (f"token/{EVM}", "token", None),
        (f"bsc/pools/{EVM}", "pool", "bsc"),
        (f"pair/0x{'ab' * 32}", "pool", None),
        (f"trade/solana/{SOL}", "pool_or_token", "solana"),
        (f"swap?inputMint=sol&outputMint={SOL}", "token", "solana"),
        (f"app#x=1&token={SOL}", "token", "solana"),
        (f"address/{EVM}", "account", None),
    ],
)
def test_the_word_before_the_address_tells_what_it_is_on_any_other_site(
    path: str, kind: str, chain: str | None
) -> None:
    target = read_link(f"https://some.example/{path}")
    assert isinstance(target, LinkedAddress)
    assert (target.address_kind, target.chain) == (kind, chain)


@pytest.mark.parametrize(
    "url",
    [
        f"https://pump.fun/profile/{SOL}",
        f"https://gmgn.ai/sol/address/{SOL}",
        f"https://www.defined.fi/wallet/{SOL}",
        f"https://t.me/some_bot?start=dev_{SOL}",
        f"https://etherscan.io/tx/0x{'ab' * 32}",
        f"https://some.example/wallet/{SOL}",
        f"https://some.example/users/{EVM}?tab=1",
        "https://some.example/token/0123456789abcdef0123456789abcdef",
        f"https://some.example/coin/0x{'ab' * 32}::owl::OWL",
        f"https://jup.ag/swap/SOL-{USDC}",
        "https://t.me/c/1700000001/95",
        "https://x.com/someone/status/1234567890123456789",
        "https://dexscreener.com/solana",
    ],
)
def test_links_to_wallets_transactions_and_pages_name_no_token(url: str) -> None:
    assert read_link(url) is None


@pytest.mark.parametrize(
    ("url", "rule_id"),
    [
        (f"https://dexscreener.com/solana/{SOL.lower()}", "base58_lowercased"),
        (f"https://dexscreener.com/solana/{SOL[:-1]}", "link_address_invalid"),
        (f"https://dexscreener.com/solana/{EVM}", "link_address_invalid"),
        (f"https://dexscreener.com/tron/{'T' + SOL[:33]}", "chain_not_supported"),
        (f"https://dexscreener.com/ton/EQ{'a-b_' * 11}cd", "chain_not_supported"),
        (f"https://dexscreener.com/solana/{SOL.upper()}", "base58_lowercased"),
        (f"https://launchpad.example/{SOL}", "unknown_link"),
    ],
)
def test_a_link_that_cannot_be_used_names_its_rule(url: str, rule_id: str) -> None:
    target = read_link(url)
    assert isinstance(target, UnreadableLink)
    assert target.rule_id == rule_id


def test_links_are_found_with_and_without_scheme_and_without_closing_punctuation() -> None:
    text = f"see (https://pump.fun/{SOL}), or dexscreener.com/solana/{SOL}. mail me@site.example/x"
    assert [url for _, _, url in find_urls(text)] == [f"https://pump.fun/{SOL}", f"dexscreener.com/solana/{SOL}"]


@pytest.mark.parametrize("rule", LINK_RULES, ids=lambda rule: rule.site)
def test_before_the_first_slash_of_a_form_stands_its_host_and_all_of_it(rule: LinkRule) -> None:
    """Rules are chosen by the host of a link: none that could match may be passed over."""
    host, slash, path = rule.form.partition("/")
    assert slash
    assert not path.startswith(("?", "*", "{")), "without the slash the link would have another host"
    assert re.compile(host).match("/") is None
    assert rule.is_of_host(host.replace("\\", "")) or set(host) & set("([")
