"""How an address is spelled, and what a caller may name a token by."""

from __future__ import annotations

import pytest

from quantlab_core.token import plain_address, split_token_name

MINT = "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump"


@pytest.mark.parametrize(
    ("written", "plain"),
    [("0xABcd", "0xabcd"), ("0XABCD", "0xabcd"), (MINT, MINT), ("", "")],
)
def test_only_evm_addresses_lose_their_capitals(written: str, plain: str) -> None:
    assert plain_address(written) == plain


@pytest.mark.parametrize(
    ("name", "split"),
    [
        (MINT, ("", MINT)),
        (f"solana:{MINT}", ("solana", MINT)),
        ("base:0xAB", ("base", "0xab")),
        ("base:", ("base", "")),
    ],
)
def test_a_token_is_named_by_its_address_with_or_without_its_chain(name: str, split: tuple[str, str]) -> None:
    assert split_token_name(name) == split
