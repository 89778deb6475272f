"""What is an address in a text, what only looks like one, and the normal form of a token's address."""

from __future__ import annotations

import base64
import hashlib
from binascii import crc_hqx
from collections.abc import Callable

import base58
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.addresses import (
    STOP_LIST,
    extract_addresses,
    is_evm_address,
    is_solana_address,
    normalise_token_address,
)
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token
from quantlab_tests.core.alerts.invented_chat import contract, mint

OWL = mint("owl")
# The first example of EIP-55 itself.
CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def found(text: str) -> list[str]:
    return [address.address for address in extract_addresses(text).found]


def damage(text: str) -> list[str]:
    return [damaged.rule_id for damaged in extract_addresses(text).damaged]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "({}),",
        "ca:{}!",
        "`{}`",
        "🚀{}🚀",
        "看{}吧",
        "a_{}_b",
        "https://site.example/{}?x=1",
        "{}.",
        "\u200b{}\u200b",
    ],
)
@pytest.mark.parametrize("address", [OWL, contract("owl"), CHECKSUMMED])
def test_an_address_is_found_between_any_real_boundaries(text: str, address: str) -> None:
    assert found(text.format(address)) == [address]
    assert damage(text.format(address)) == []


def test_addresses_come_in_text_order_and_once_each() -> None:
    text = f"{contract('b')} {OWL} {contract('b').upper().replace('0X', '0x')} {OWL}"
    assert found(text) == [contract("b"), OWL]


def test_a_run_that_is_longer_than_an_address_is_never_cut_to_one() -> None:
    assert found(f"{OWL}Gamble") == []
    assert damage(f"{OWL}Gamble") == ["base58_glued"]


@pytest.mark.parametrize("glued", [f"привет{OWL}", f"{OWL}ж"])
def test_letters_of_another_script_glue_too(glued: str) -> None:
    assert (found(glued), damage(glued)) == ([], ["base58_glued"])


@pytest.mark.parametrize(
    "text",
    [
        base58.b58encode(bytes(range(1, 65))).decode(),  # a signature: 64 bytes
        "0x" + "ab" * 32,  # a transaction
        "ab" * 32,
        "0x" + "0" * 40,
        "s" + "o" * 60 + " good",
        "O0IlO0IlO0IlO0IlO0IlO0IlO0IlO0Il",
        "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",  # a Bitcoin address
    ],
)
def test_signatures_hashes_words_and_other_chains_are_nothing(text: str) -> None:
    assert (found(text), damage(text)) == ([], [])


def test_a_damaged_address_is_reported_with_its_rule() -> None:
    assert damage(OWL[:-1]) == ["base58_wrong_length"]
    assert damage(contract("owl")[:-1]) == ["evm_wrong_length"]
    assert damage(contract("owl") + "f") == ["evm_wrong_length"]
    assert damage("ca" + contract("owl")) == ["evm_glued"]


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_base58_of_one_case_is_damage_even_where_it_decodes_to_32_bytes(change: Callable[[str], str]) -> None:
    changed = next(
        text
        for number in range(100_000)
        if is_solana_address(text := change(mint(f"token {number}"))) and len(text) > 42
    )
    assert (found(changed), damage(changed)) == ([], ["base58_lowercased"])


@pytest.mark.parametrize("unseen", ["\u200b", "\u2060", "\u00ad", "\ufeff", "\u200d\u200c"])
@pytest.mark.parametrize("address", [OWL, contract("owl")])
def test_what_nobody_sees_does_not_cut_an_address(address: str, unseen: str) -> None:
    assert found(f"ca: {address[:20]}{unseen}{address[20:31]}{unseen}{address[31:]} gm") == [address]
    assert found(f"{address}{unseen}gm") == [address]  # but it ends one that is whole


@pytest.mark.parametrize("gap", ["\n", " ", "\r\n", "\n> ".replace(">", " ")])
@pytest.mark.parametrize("address", [OWL, contract("owl")])
def test_an_address_in_pieces_is_damaged_and_not_put_together(address: str, gap: str) -> None:
    for text in (f"{address[:22]}{gap}{address[22:]}", f"{address[:15]}{gap}{address[15:30]}{gap}{address[30:]}"):
        assert (found(f"new\n{text}\ngo"), damage(f"new\n{text}\ngo")) == ([], ["address_cut"])


@pytest.mark.parametrize(
    "text", [f"A {OWL}", f"{OWL} a", f"{OWL}\n{mint('fox')}", f"0x {OWL}", "unbelievable2 Performance " * 4]
)
def test_words_beside_a_whole_address_are_no_pieces_of_one(text: str) -> None:
    assert damage(text) == []


def test_an_address_of_ton_is_nothing_whatever_its_parts_look_like() -> None:
    for name in range(300):
        key = hashlib.sha256(f"ton {name}".encode()).digest()
        bare = b"\x11\x00" + key
        address = base64.urlsafe_b64encode(bare + crc_hqx(bare, 0).to_bytes(2, "big")).decode()
        assert (found(f"jetton {address} up"), damage(f"jetton {address} up")) == ([], [])


def test_addresses_of_tron_and_sui_are_no_solana_addresses() -> None:
    tron = base58.b58encode_check(b"\x41" + bytes(range(20))).decode()
    sui = f"0x{hashlib.sha256(b'sui').hexdigest()}::owl::OWL"
    for text in (tron, sui):
        assert (found(text), damage(text)) == ([], [])


@pytest.mark.parametrize(
    "text", ["bc1p" + "qpzry9x8gf2tvdw3s3jn54khce6mua7" * 2, "cosmos1" + "qpzry9x8gf2tvdw3s3jn54khce6mua7" * 2]
)
def test_long_runs_of_one_case_are_other_chains_addresses(text: str) -> None:
    assert (found(text), damage(text)) == ([], [])


def test_a_failed_checksum_is_kept_and_marked() -> None:
    wrong = CHECKSUMMED.replace("5aA", "5AA")
    verdicts = [extract_addresses(text).found[0].checksum_ok for text in (CHECKSUMMED, wrong, wrong.lower())]
    assert verdicts == [True, False, None]


def test_every_stop_listed_address_is_an_address_in_normal_form() -> None:
    for address in STOP_LIST:
        assert is_solana_address(address) or (is_evm_address(address) and address == address.lower())


def test_a_token_address_gets_one_spelling_per_token() -> None:
    assert normalise_token_address("solana", f" {OWL} ") == Token("solana", OWL)
    assert normalise_token_address("SOL", OWL) == Token("solana", OWL)
    assert normalise_token_address("eth", CHECKSUMMED) == Token("ethereum", CHECKSUMMED.lower())
    assert normalise_token_address("newchain", contract("owl")) == Token("newchain", contract("owl"))


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("solana", contract("owl")),
        ("solana", OWL.lower()),
        ("solana", OWL[:-1]),
        ("base", OWL),
        ("base", contract("owl")[:-1]),
        ("ethereum", CHECKSUMMED.replace("5aA", "5AA")),
        ("no chain", contract("owl")),
        ("", OWL),
    ],
)
def test_a_wrong_token_address_is_refused_in_one_line(chain: str, address: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        normalise_token_address(chain, address)
    assert "\n" not in str(refused.value)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.binary(min_size=32, max_size=32), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_found_decodes_to_32_bytes_and_stands_in_the_text(key: bytes, before: str, after: str) -> None:
    text = before + base58.b58encode(key).decode() + after
    for address in extract_addresses(text).found:
        assert address.address in text
        assert address.family == "evm" or len(base58.b58decode(address.address)) == 32
