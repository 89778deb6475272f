"""The cheap test for plain talk never hides anything that the full rules would find."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.classification import classify, classify_in_full
from quantlab_core.alerts.message_kinds import NO_ALERT
from quantlab_core.alerts.plain_messages import is_plain
from quantlab_core.alerts.updates import UPDATE, is_update
from quantlab_tests.core.alerts.invented_chat import contract, message, mint, phanes_card, rick_card

OWL, EVM = mint("owl"), contract("owl")
HIDDEN = "".join(f"%{ord(letter):02x}" for letter in OWL)

FRAGMENTS = st.sampled_from(
    [
        "\u200b", "\u2060", OWL[:15], OWL[15:30], OWL[30:], "!", "!x ", ".x ", "called at 50k, now 1M",
        "4x from my call", "up 50% since the alert", "9x From 30K -> 270K",
        OWL, OWL[:20], OWL[20:], OWL[:-1], OWL.lower(), EVM, EVM[:21], EVM[21:], EVM.upper(), "0x", HIDDEN,
        "https://pump.fun/", "https://dexscreener.com/solana/", "t.me/RickBurpBot?start=", "x.com/search?q=$",
        "http://", "www.", ".com/", "?token=", "/tx/", "/", "/pnl", "/x@bot ", "$", "$OWL", "$$owl ", "($", "($OWL) ",
        "[12K/3%] ", "[12K/3%] $OWL", "- $OWL", "Buy $OWL", "Sell\u2003$OWL", "\nPrice: $1", "\nFDV: $2K", "├ ",
        "Achievement Unlocked", "achievement unloc\u212aed", "LEADERBOARD", "made a x12 call", "hit 5x since the call",
        "now a x3+ from our VIP entry", "reached 2.5x after alert", "5X", "x5", "call", "entry", "gm", "50%", "50%fe",
        "İıſ\u212a" * 8, "ſ", "\u212a", " ", "\n", "\x1c", "\u2028", "é", "Д", "🚀", ".", ",", "-", "_",
    ]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS | st.text(max_size=4), max_size=8).map("".join)


@settings(deadline=None, max_examples=600, derandomize=True)
@given(TEXTS, st.lists(TEXTS, max_size=2))
@example("made a x12 call", [])
@example("x.com/search?q=" + HIDDEN, [])
@example("\u2003$OWL", [])
@example(f"https://pump.fun/{OWL[:20]}\u212a{OWL[21:]}", [])
@example("1" * 31 + "z", [])
@example(f"{OWL[:22]}\n{OWL[22:]}", [])
@example(f"{EVM[:14]}\n{EVM[14:28]}\n{EVM[28:]}", [])
@example(f"{OWL[:10]}\u2060{OWL[10:]}", [])
@example("🚀 $OWL", [])
@example("gm", ["https://pump.fun/" + OWL])
def test_what_is_called_plain_is_no_alert_by_the_full_rules(text: str, hidden: list[str]) -> None:
    if is_plain(text, tuple(hidden)):
        one = message([text, *({"type": "text_link", "text": "", "href": target} for target in hidden)])
        assert classify_in_full(one, by_bot=False).kind == NO_ALERT


@settings(deadline=None, max_examples=200, derandomize=True)
@given(TEXTS, st.sampled_from([{}, {"reply_to_message_id": 3}]))
def test_plain_talk_makes_no_alert_and_no_card_whoever_sends_it(text: str, more: dict[str, int]) -> None:
    if is_plain(text, ()):
        full = classify_in_full(message(text, sender="Rick", **more), by_bot=True)
        assert not full.is_alert
        assert full.card is None


@settings(deadline=None, max_examples=200, derandomize=True)
@given(TEXTS, st.sampled_from(["ann", "Rick"]), st.sampled_from([{}, {"reply_to_message_id": 3}]))
def test_the_fast_way_says_what_the_full_rules_say(text: str, sender: str, more: dict[str, int]) -> None:
    one = message(text, sender=sender, **more)
    assert classify(one) == classify_in_full(one, by_bot=sender == "Rick")


@settings(deadline=None, max_examples=600, derandomize=True)
@given(TEXTS)
@example("achievement unloc\u212aed")
@example("made an x3 call")
@example("up 50% \u017fince the alert")
@example("gained 3x AFTER entry")
@example("12x \u017fince my \u017fignal")
@example("called at 50k, now 1M")
@example("4x | From 30K -> 120K")
def test_the_cheap_signs_of_an_update_are_in_every_update(text: str) -> None:
    assert is_update(text) == (UPDATE.search(text) is not None)


@pytest.mark.parametrize(
    "text",
    [
        "gm",
        "chart looks $SOL fine, up 50% 😂",
        "did 2x, nice",
        "https://x.com/ann/status/17",
        "what a call!",
        "Ґміна " * 9,
    ],
)
def test_ordinary_talk_is_plain(text: str) -> None:
    assert is_plain(text, ())


@pytest.mark.parametrize(
    "text",
    [OWL, f"so:{EVM}", "$OWL?", " /pnl", rick_card(OWL), phanes_card(OWL), "Buy $OWL now", "Leaderboard", HIDDEN],
)
def test_what_may_tell_of_a_token_is_not_plain(text: str) -> None:
    assert not is_plain(text, ())
    assert not is_plain("gm", (f"https://pump.fun/{OWL}",))
