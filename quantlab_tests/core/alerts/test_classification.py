"""What a message is by itself, one test for every kind and every rule that quarantines."""

from __future__ import annotations

import pytest

from quantlab_core.alerts.classification import RULE_VERSIONS, Classification, classify
from quantlab_tests.core.alerts.invented_chat import contract, links, message, mint, phanes_card, rick_card

OWL, FOX = mint("owl"), mint("fox")
EVM = contract("owl")


def tokens(result: Classification) -> list[tuple[str, str, str, str]]:
    return [(call.address, call.chain, call.address_kind, call.source) for call in result.calls]


def test_a_person_who_names_an_address_calls_it() -> None:
    result = classify(message(f"{OWL} early, small bag"))
    assert (result.kind, result.is_alert) == ("call", True)
    assert tokens(result) == [(OWL, "solana", "token", "text")]


def test_two_tokens_in_one_message_are_two_calls_without_ticker() -> None:
    result = classify(message(f"$OWL {OWL} or {FOX} at 20k"))
    assert [call.address for call in result.calls] == [OWL, FOX]
    assert {(call.ticker, call.stated_mcap_usd) for call in result.calls} == {(None, None)}


@pytest.mark.parametrize(
    ("words", "mcap"),
    [
        ("at 17k", 17_000), ("- 20M-", 20e6), ("mc: $1.5m", 1.5e6), ("target 20M, sell at 5m", None),
        ("MC=50k", 50e3), ("mcap is 50 k", 50e3), ("FDV - $12,500", 12_500), ("12,500 mcap", 12_500),
        ("at 30k, then to 1m mc", 30e3), ("1m mc incoming", None), ("@ 20k holders", None), ("vol at 200k", None),
        ("at 30k or at 40k", None),
    ],
)  # fmt: skip
def test_the_callers_own_market_cap_and_ticker_are_kept(words: str, mcap: float | None) -> None:
    call = classify(message(f"$owl\n{words}\n{OWL}")).calls[0]
    assert (call.ticker, call.stated_mcap_usd) == ("owl", mcap)


def test_a_chart_link_beside_the_token_is_no_second_token() -> None:
    result = classify(message(f"{OWL}\nhttps://dexscreener.com/solana/{FOX}"))
    assert tokens(result) == [(OWL, "solana", "token", "text")]


def test_the_same_token_in_text_and_links_is_one_call() -> None:
    result = classify(message([f"{OWL} ", *links(f"https://pump.fun/{OWL}", f"https://dexscreener.com/solana/{OWL}")]))
    assert tokens(result) == [(OWL, "solana", "token", "text")]


def test_hidden_links_and_url_buttons_are_read() -> None:
    hidden = classify(message(["chart ", *links(f"https://pump.fun/{OWL}")]))
    button = {"type": "url", "text": "Buy", "data": f"https://pump.fun/{OWL}"}
    assert (
        tokens(hidden)
        == tokens(classify(message("new", inline_bot_buttons=[[button]])))
        == [(OWL, "solana", "token", "link")]
    )


@pytest.mark.parametrize(
    ("words", "chain"),
    [("", "evm_unknown"), ("on base", "base"), ("#eth", "ethereum"), ("BSC\n", "bsc"), ("0.1 eth in", "evm_unknown"),
     ("not on eth but on base", "evm_unknown"), ("chain: arbitrum", "arbitrum")],
)  # fmt: skip
def test_an_evm_chain_comes_from_unambiguous_words_only(words: str, chain: str) -> None:
    assert tokens(classify(message(f"{words}\n{EVM}"))) == [(EVM, chain, "token", "text")]


def test_a_link_gives_the_chain_to_the_address_in_the_text() -> None:
    result = classify(message(f"{EVM} https://dexscreener.com/base/{contract('pool')}"))
    assert tokens(result) == [(EVM, "base", "token", "text")]


@pytest.mark.parametrize(
    "text",
    [
        f"my wallet {OWL} send sol pls",
        f"sniper wallet 👉 `{OWL}`",
        f"wallet address: {OWL}",
        f"my SOL address is {OWL}",
        f"wallets to track:\n{OWL}",
        f"tip jar {OWL}",
        f"Deployer: {EVM}",
        f"{OWL} is my wallet",
        f"{EVM} (dev wallet)",
        f"dev wallet: {OWL}",
        f"donations: {EVM}",
        "So11111111111111111111111111111111111111112",
    ],
)
def test_wallets_named_as_such_and_stop_listed_mints_are_no_calls(text: str) -> None:
    assert classify(message(text)).kind == "no_alert"


@pytest.mark.parametrize("text", [f"based dev\n{OWL}", f"{OWL}\ndev wallet is clean", f"whale wallet bought. {OWL}"])
def test_talk_of_wallets_beside_a_token_does_not_make_it_one(text: str) -> None:
    assert classify(message(text)).kind == "call"


@pytest.mark.parametrize("text", [f"/{OWL}", f"/{FOX}", f"!{FOX}", f".{OWL}", f"... {OWL}", f".5 sol on {OWL}"])
def test_an_address_is_no_command(text: str) -> None:
    assert classify(message(text)).kind == "call"


@pytest.mark.parametrize("text", ["/pnl", f"/th {OWL}", "/i@SomeBot", f".x {OWL}", f"!price {OWL}", " !ca"])
def test_a_command_is_no_call_whatever_follows(text: str) -> None:
    assert classify(message(text)).kind == "command"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("$OWL", "ticker_only"),
        ("$OWL $FOX?", "ticker_only"),
        ("🚀 $OWL 🚀🚀", "ticker_only"),
        ("$OWL lists tomorrow, target 7500", "no_alert"),
        ("Buy ABC at 160 sats", "no_alert"),
        ("", "no_alert"),
    ],
)
def test_tickers_are_never_resolved(text: str, kind: str) -> None:
    assert (classify(message(text)).kind, classify(message(text)).calls) == (kind, ())


@pytest.mark.parametrize(
    "text",
    [
        "Achievement Unlocked: x3! @ann made a x3+ call on Owl.",
        f"🏆 Leaderboard of the week {OWL}",
        f"{OWL} did 5x from our call",
        f"$OWL 10x from my call\n{OWL}",
        f"{OWL} up 500% since the VIP alert",
        f"📈 $OWL is up 5X 📈\nfrom ⚡️ Entry Signal\n{OWL}",
        f"called at 50k, now 1M\n{OWL}",
        f"🎉 $OWL 4x | 💹From 30K ↗️ 120K within 1h\n{OWL}",
    ],
)
def test_brag_posts_and_leaderboards_are_updates(text: str) -> None:
    assert classify(message(text)).kind == "update"


@pytest.mark.parametrize(
    "hope", ["10x from entry", "could do 50% from here", "calling it at 50k", "from 30k to 1m, easy"]
)
def test_what_a_caller_hopes_for_is_no_update(hope: str) -> None:
    assert classify(message(f"{hope}\n{OWL}")).kind == "call"


@pytest.mark.parametrize("card", [rick_card(OWL), phanes_card(OWL)])
def test_a_card_is_a_bot_reply_whoever_sends_it(card: str) -> None:
    for sender in ("Rick", "renamed"):
        result = classify(message(card, sender=sender))
        assert (result.kind, result.calls) == ("bot_reply", ())
        assert result.card is not None


def test_a_person_who_forwards_a_card_calls_its_token_without_its_numbers() -> None:
    result = classify(message(rick_card(OWL), forwarded_from="Rick"))
    assert (result.kind, tokens(result)) == ("call", [(OWL, "solana", "token", "text")])
    assert (result.calls[0].ticker, result.calls[0].stated_mcap_usd) == ("OWL", None)
    assert classify(message(rick_card(OWL), via_bot="@some_bot")) == result


def test_a_bots_answer_without_a_card_is_a_bot_reply() -> None:
    assert classify(message(f"top holders of {OWL}", sender="Phanes [Gold]", reply_to_message_id=7)).kind == "bot_reply"


def test_a_bots_own_post_of_a_token_is_a_bot_alert() -> None:
    text = f"💎 New sale!\nToken: Night Owl (OWL)\nhttps://gempad.app/presale/{EVM}?network=Base"
    for reply_to in (None, 3):  # in a forum every message answers its topic
        result = classify(message(text, sender="Presale Bot", reply_to_message_id=reply_to))
        assert (result.kind, result.calls[0].ticker) == ("bot_alert", "OWL")
        assert tokens(result) == [(EVM, "base", "presale_contract", "link")]


def test_service_and_unsupported_messages_are_told_apart() -> None:
    assert classify(message("", type="service")).kind == "service"
    assert classify(message("", type="unsupported")).kind == "unsupported"


@pytest.mark.parametrize(
    ("rule_id", "text"),
    [
        ("base58_glued", f"{OWL}Gamble"),
        ("base58_wrong_length", OWL[:-1]),
        ("address_cut", f"{OWL[:30]}\n{OWL[30:]}"),
        ("evm_glued", f"CA{EVM}"),
        ("evm_wrong_length", EVM[:-1]),
        ("evm_checksum", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        ("base58_lowercased", f"https://dexscreener.com/solana/{OWL.lower()}"),
        ("link_address_invalid", f"https://pump.fun/{OWL[:-1]}"),
        ("chain_not_supported", f"https://dexscreener.com/tron/T{OWL[:33]}"),
        ("unknown_link", f"https://launchpad.example/{OWL}"),
        ("explorer_account", f"https://solscan.io/account/{OWL}"),
        ("pool_links_unmatched", f"{OWL} https://dexscreener.com/base/{EVM} https://dexscreener.com/solana/{FOX}"),
    ],
)
def test_what_cannot_be_decided_is_ambiguous_with_its_rule(rule_id: str, text: str) -> None:
    result = classify(message(text))
    assert (result.kind, result.rule_id, result.calls) == ("ambiguous", rule_id, ())
    assert result.reason
    assert rule_id in RULE_VERSIONS


def test_a_lower_cased_chart_link_does_not_spoil_a_call() -> None:
    result = classify(message(f"{OWL} https://dexscreener.com/solana/{FOX.lower()}"))
    assert tokens(result) == [(OWL, "solana", "token", "text")]
