"""The fields of bot cards, in the layouts that Rick, Phanes and trading bots have used."""

from __future__ import annotations

import pytest

from quantlab_core.alerts.bot_cards import parse_amount, parse_card, parse_duration
from quantlab_tests.core.alerts.invented_chat import contract, mint, phanes_card, rick_card

OWL = mint("owl")


def test_ricks_card_gives_every_field() -> None:
    card = parse_card(rick_card(OWL))
    assert card is not None
    assert (card.bot, card.address, card.chain, card.ticker) == ("rick", OWL, "solana", "OWL")
    assert (card.price_usd, card.mcap_usd, card.mcap_change_pct) == (0.0000642, 64_200, -12)
    assert (card.liquidity_usd, card.ath_mcap_usd, card.age, card.age_s) == (18_500, 91_000, "2h", 7_200)
    assert (card.is_first, card.first_caller, card.mcap_at_call_usd) == (True, None, 64_200)


def test_ricks_footer_of_an_earlier_call_names_caller_value_and_age() -> None:
    card = parse_card(rick_card(OWL, footer="🏆 bob @ 12.5K⋅5x⋅3d 👀 400"))
    assert card is not None
    assert (card.is_first, card.first_caller, card.mcap_at_call_usd) == (False, "bob", 12_500)
    assert card.first_call_age_s == 3 * 86_400


def test_ricks_short_layout_on_the_bonding_curve_is_read() -> None:
    card = parse_card(f"💊 Night Owl - $OWL\n💎 FDV: 7.1K 🕰️ 45s\n👀 Hits: 2\n\n{OWL}\nMAE⋅BAN")
    assert card is not None
    assert (card.ticker, card.mcap_usd, card.age, card.price_usd) == ("OWL", 7_100, "45s", None)


def test_phanes_card_gives_every_field_and_reads_counted_zeros() -> None:
    card = parse_card(phanes_card(OWL))
    assert card is not None
    assert (card.bot, card.address, card.chain, card.ticker) == ("phanes", OWL, "solana", "OWL")
    assert (card.price_usd, card.mcap_usd, card.liquidity_usd) == (0.000066, 66_000, 18_600)
    assert (card.ath_mcap_usd, card.age, card.first_caller, card.mcap_at_call_usd) == (91_000, "2h", "ann", 66_000)


def test_an_evm_card_names_its_chain() -> None:
    token = contract("owl")
    card = parse_card(rick_card(token).replace("Solana @ PumpSwap", "Base @ Aerodrome"))
    assert card is not None
    assert (card.address, card.chain) == (token, "base")


def test_a_trading_bots_dialog_is_a_card() -> None:
    card = parse_card(f"Buy $OWL — (Night Owl) 📈\n{OWL}\n\nBalance: 1 SOL\nPrice: $0.25 — LIQ: $1.5M — MC: $250M\n")
    assert card is not None
    assert (card.bot, card.ticker, card.price_usd, card.liquidity_usd, card.mcap_usd) == (
        "trading_bot",
        "OWL",
        0.25,
        1.5e6,
        2.5e8,
    )


@pytest.mark.parametrize(
    ("shown", "value"), [("$64.2k", 64_200), ("$64,200", 64_200), ("64.2K", 64_200), ("$64,2K", None), ("$64.2Q", None)]
)
def test_an_amount_is_read_whole_or_not_at_all(shown: str, value: float | None) -> None:
    for card in (
        rick_card(OWL).replace("[64.2K/", "[?/").replace("$64.2K ⇨", f"{shown} ⇨"),
        phanes_card(OWL).replace("MC    $66.0K", f"MC    {shown}"),
    ):
        read = parse_card(card)
        assert read is not None
        assert read.mcap_usd == value


@pytest.mark.parametrize(("shown", "price"), [("$6.42e-05", 6.42e-5), ("$1.5K", 1_500), ("$0.0₄642", 6.42e-5)])
def test_prices_are_read_in_every_spelling(shown: str, price: float) -> None:
    card = parse_card(rick_card(OWL).replace("$0.000064200", shown))
    assert card is not None
    assert card.price_usd == price


@pytest.mark.parametrize("sign", ["⋅", "·", " • ", " | "])
def test_ricks_footer_has_any_sign_between_its_parts(sign: str) -> None:
    card = parse_card(rick_card(OWL, footer=f"🏆 b@b @ $1.2M{sign}5.5x{sign}45s 👀 400"))
    assert card is not None
    assert (card.first_caller, card.mcap_at_call_usd, card.first_call_age_s) == ("b@b", 1.2e6, 45)


@pytest.mark.parametrize("sign", ["😈", "👻 ", "🏅 First Call ", "First Call "])
def test_phanes_footer_begins_with_any_sign(sign: str) -> None:
    card = parse_card(phanes_card(OWL, footer=f"{sign} ann lee @ $216.3K [82.0x] (21m)"))
    assert card is not None
    assert (card.first_caller, card.mcap_at_call_usd, card.first_call_age_s) == ("ann lee", 216_300, 21 * 60)
    assert card.is_first == ("First Call" in sign)


def test_phanes_may_draw_and_name_its_lines_otherwise() -> None:
    card = parse_card(phanes_card(OWL).replace("├", "┣").replace("└", "┗").replace("MC ", "FDV").replace("LP ", "Liq"))
    assert card is not None
    assert (card.address, card.chain, card.mcap_usd, card.liquidity_usd) == (OWL, "solana", 66_000, 18_600)


@pytest.mark.parametrize(
    ("shown", "chain"), [("🌐 BNB Chain", "bsc"), ("⛓ Arbitrum One", "arbitrum"), ("🌐 newchain", "newchain")]
)
def test_chains_of_several_words_are_known(shown: str, chain: str) -> None:
    card = parse_card(rick_card(contract("owl")).replace("🌐 Solana", shown))
    assert card is not None
    assert card.chain == chain


@pytest.mark.parametrize("text", ["", "$OWL", f"$OWL {OWL}", "[1/2%] nothing", "🔥 Top 10 Coins:\n 1 BTC $100,000"])
def test_other_texts_are_no_cards(text: str) -> None:
    assert parse_card(text) is None


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        ("$2.27M", 2.27e6),
        ("19.6K", 19_600),
        ("1,234.5", 1_234.5),
        ("0.0₄5142", 0.00005142),
        ("$3T", 3e12),
        ("x", None),
        ("", None),
    ],
)
def test_amounts_are_read_as_shown(shown: str, value: float | None) -> None:
    assert parse_amount(shown) == value


def test_durations_are_read_in_seconds() -> None:
    assert [parse_duration(text) for text in ("51s", "8m", "5h", "26d", "5w", "2mo", "1y", "soon")] == [
        51, 480, 18_000, 2_246_400, 3_024_000, 5_184_000, 31_536_000, None,
    ]  # fmt: skip
