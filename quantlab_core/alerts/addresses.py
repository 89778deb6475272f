"""Everything that decides what an address is: finding candidates in text, decoding, checksums, stop list, normal form.

A candidate is a whole run of ASCII letters and digits, never a part of one: cutting 44 characters out of a longer run
gives valid-looking addresses of tokens that nobody named. What looks like a damaged address is returned as such, so
that it can be quarantined instead of being lost or guessed. Characters that nobody sees (zero-width spaces, soft
hyphens) do not end a run; white space does, and an address that it cuts in pieces is a damaged one.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import base58

from quantlab_core.errors import InvalidInputError
from quantlab_core.token import EVM_CHAINS, SOLANA, Token

EVM = "evm"

SOLANA_ADDRESS_BYTES = 32
SOLANA_SIGNATURE_BYTES = 64
SHORTEST_SOLANA_ADDRESS = 32
LONGEST_SOLANA_ADDRESS = 44
# Shorter runs of random characters are more often other things (Bitcoin and Tron addresses, ids) than a damaged mint.
SHORTEST_DAMAGED_SOLANA = 40

UNSEEN = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""The characters without width, as they are written in a class of a pattern."""

_RUN = re.compile(r"[0-9A-Za-z]{32,}")
_UNSEEN = re.compile(f"[{UNSEEN}]+")
_VEILED_RUN = re.compile(rf"[0-9A-Za-z]+(?:[{UNSEEN}]+[0-9A-Za-z]+)+")
_PART = re.compile(r"[0-9A-Za-z]+")
_MOST_PARTS = 3  # of an address that white space cuts: a line break or two
_LONG_PART = re.compile(r"[0-9A-Za-z]{14,}")  # of three parts of 42 characters one has as many
# The form in which people write TON's addresses: 36 bytes in URL-safe base64, the last two of them a CRC.
_TON_ADDRESS = re.compile(r"(?<![0-9A-Za-z_-])[EUk0]Q[0-9A-Za-z_-]{46}(?![0-9A-Za-z_-])")
_BASE58_STRETCH = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,}")
_EVM_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_EVM_HASH = re.compile(r"0[xX][0-9a-fA-F]{64}")
_EVM_DAMAGED = re.compile(r"0[xX][0-9a-fA-F]{36,}[0-9A-Za-z]*")
_EVM_INSIDE = re.compile(r"0[xX][0-9a-fA-F]{40}")
_HEX = re.compile(r"[0-9a-fA-F]+")
_CHAIN_NAME = re.compile(r"[a-z][a-z0-9_-]{1,31}")

CHAIN_ALIASES = {
    "sol": SOLANA,
    "eth": "ethereum",
    "ether": "ethereum",
    "mainnet": "ethereum",
    "bnb": "bsc",
    "binance": "bsc",
    "binance-smart-chain": "bsc",
    "bnbchain": "bsc",
    "arb": "arbitrum",
    "arbitrum_one": "arbitrum",
    "arbitrum-one": "arbitrum",
    "op": "optimism",
    "matic": "polygon",
    "polygon_pos": "polygon",
    "avax": "avalanche",
    "hyperliquid": "hyperevm",
    "bera": "berachain",
}

# Addresses that are not the token that somebody calls: money, system programs, exchanges' programs, burn addresses.
STOP_LIST = frozenset(
    {
        # Solana: wrapped SOL, stable coins, staked SOL, wrapped majors
        "So11111111111111111111111111111111111111112",
        "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
        "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
        "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo",
        "USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB",
        "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn",
        "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So",
        "3NZ9JMVBmGAqocybic2c7LQCJScmgsAZ6vQqTDzcqmJh",
        "7vfCXTUXx5WJV5JADk17DUJ4ksgau7utNKj4b963voxs",
        # Solana: system and token programs
        "11111111111111111111111111111111",
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
        "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL",
        "ComputeBudget111111111111111111111111111111",
        "metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s",
        "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
        "Vote111111111111111111111111111111111111111",
        "Stake11111111111111111111111111111111111111",
        # Solana: exchange and launch programs
        "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8",
        "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK",
        "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C",
        "LanMV9sAd7wArD4vJFi2qDdfnVhFxYSUg6eADduJ3uj",
        "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P",
        "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA",
        "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc",
        "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo",
        "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4",
        # EVM: wrapped coins and stable coins of Ethereum, Base and BSC, the burn address
        "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
        "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48",
        "0xdac17f958d2ee523a2206206994597c13d831ec7",
        "0x4200000000000000000000000000000000000006",
        "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913",
        "0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c",
        "0x55d398326f99059ff775485246999027b3197955",
        "0x000000000000000000000000000000000000dead",
    }
)


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """An address in a text: its own spelling, ``solana`` or ``evm``, and where it starts.

    ``checksum_ok`` is the EIP-55 verdict on a mixed-case EVM address; None where there is no checksum to verify.
    """

    address: str
    family: str
    start: int
    checksum_ok: bool | None = None

    @property
    def normal_form(self) -> str:
        """The spelling to compare by: lower case for EVM, unchanged for Solana."""
        return self.address.lower() if self.family == EVM else self.address


@dataclass(frozen=True, slots=True)
class DamagedAddress:
    """A run that looks like an address and is none; ``rule_id`` is the quarantine rule that it meets."""

    text: str
    rule_id: str
    reason: str
    start: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """What `extract_addresses` found, each in text order, equal addresses once."""

    found: tuple[FoundAddress, ...]
    damaged: tuple[DamagedAddress, ...]


def extract_addresses(text: str) -> Extraction:
    """Every address candidate of ``text``, before stop list and chain.

    Solana: a whole run that decodes from base58 to exactly 32 bytes. EVM: a whole run of 0x and 40 hex digits, kept
    with ``checksum_ok=False`` where a mixed-case checksum fails; the zero address is none. Transaction hashes,
    signatures and addresses of TON are nothing.
    """
    if _UNSEEN.search(text):
        text = _VEILED_RUN.sub(_unveiled, text)
    if "Q" in text:
        text = _TON_ADDRESS.sub(_without_ton, text)
    found: dict[str, FoundAddress] = {}
    damaged: list[DamagedAddress] = []
    for match in _RUN.finditer(text):
        result = _read_run(text, match)
        if isinstance(result, FoundAddress):
            found.setdefault(result.normal_form, result)
        elif result is not None:
            damaged.append(result)
    if not damaged:
        damaged += _cut_by_white_space(text)
    return Extraction(tuple(found.values()), tuple(damaged))


def has_part_of_address(text: str) -> bool:
    """Whether ``text`` has a run as long as a part of an address that white space cuts; numbers and words are none."""
    return any(map(_may_be_part, _LONG_PART.findall(text)))


def is_solana_address(text: str) -> bool:
    """Whether ``text`` is base58 of exactly 32 bytes."""
    return (
        SHORTEST_SOLANA_ADDRESS <= len(text) <= LONGEST_SOLANA_ADDRESS and _decoded_length(text) == SOLANA_ADDRESS_BYTES
    )


def is_evm_address(text: str) -> bool:
    """Whether ``text`` has the form of an EVM address; the checksum is not looked at."""
    return _EVM_ADDRESS.fullmatch(text) is not None


def is_evm_hash(text: str) -> bool:
    """Whether ``text`` is 0x and 64 hex digits: a transaction, or the key of a pool where a link says so."""
    return _EVM_HASH.fullmatch(text) is not None


def is_base58_of_one_case(text: str) -> bool:
    """Whether all letters have one case, as in 32-byte addresses practically never (odds below 1 in 10**9)."""
    return text in {text.lower(), text.upper()} and not text.isdigit() and len(text) >= SHORTEST_DAMAGED_SOLANA


def without_unseen(text: str) -> str:
    """``text`` without the characters that nobody sees."""
    return _UNSEEN.sub("", text)


def checksum_verdict(address: str) -> bool | None:
    """EIP-55 verdict on an EVM address: None if it is written in one case, which carries no checksum."""
    digits = address[2:]
    if digits in (digits.lower(), digits.upper()):
        return None
    return _eip55_spelling(digits.lower()) == digits


def normalise_chain(name: str) -> str:
    """The chain's name here: lower case, known short forms written out (``eth`` is ``ethereum``)."""
    lowered = name.strip().lower()
    return CHAIN_ALIASES.get(lowered, lowered)


def is_chain_name(name: str) -> bool:
    """Whether ``name`` can be a chain's name here, and so a part of logical keys: also of chains not yet known."""
    return _CHAIN_NAME.fullmatch(name) is not None


def normalise_token_address(chain: str, address: str) -> Token:
    """The token that ``address`` names on ``chain``: EVM in lower case, Solana exactly as it is written.

    A chain that is not known by name takes EVM addresses, so that tokens of new chains can be imported. Pool keys of
    64 hex digits are accepted. Raises InvalidInputError, one line, for a bad chain name, a wrong length or alphabet,
    or a mixed-case EVM address whose EIP-55 checksum fails.
    """
    name, written = normalise_chain(chain), address.strip()
    if not is_chain_name(name):
        raise InvalidInputError(
            f"{chain!r} is not a chain name; use for example {SOLANA}, {', '.join(sorted(EVM_CHAINS)[:4])}"
        )
    if name == SOLANA:
        if is_base58_of_one_case(written) or not is_solana_address(written):
            raise InvalidInputError(
                f"{written!r} is not a Solana address (base58 of 32 bytes, case kept); copy it again or name its chain"
            )
        return Token(SOLANA, written)
    if is_evm_hash(written):
        return Token(name, written.lower())
    if not is_evm_address(written):
        raise InvalidInputError(
            f"{written!r} is not an address on {name} (0x and 40 hex digits); copy it again, or name its chain"
        )
    if checksum_verdict(written) is False:
        raise InvalidInputError(
            f"{written!r} fails its EIP-55 checksum: a letter is wrong; copy it again, or write it in lower case"
        )
    return Token(name, written.lower())


def _read_run(text: str, match: re.Match[str]) -> FoundAddress | DamagedAddress | None:
    run, start = match.group(), match.start()
    if run[:2] in ("0x", "0X"):
        return _read_hex_run(text, run, match)
    if _EVM_INSIDE.search(run):
        return DamagedAddress(run, "evm_glued", "an EVM address is glued to other letters", start)
    if _HEX.fullmatch(run) or not _looks_random(run):
        # The system program's address is 32 ones: an address, and on the stop list like every program.
        return FoundAddress(run, SOLANA, start) if is_solana_address(run) and not _HEX.fullmatch(run) else None
    if _is_glued(text, match) and _BASE58_STRETCH.search(run):
        return DamagedAddress(run, "base58_glued", "an address is glued to letters of another script", start)
    decoded = _decoded_length(run) if len(run) <= 2 * LONGEST_SOLANA_ADDRESS else None
    if len(run) <= LONGEST_SOLANA_ADDRESS:
        return _read_short_base58(run, start, decoded)
    if decoded == SOLANA_SIGNATURE_BYTES or is_base58_of_one_case(run) or not _BASE58_STRETCH.search(run):
        return None
    reason = f"a run of {len(run)} characters is longer than any address; a line break may be lost"
    return DamagedAddress(run, "base58_glued", reason, start)


def _read_short_base58(run: str, start: int, decoded: int | None) -> FoundAddress | DamagedAddress | None:
    if decoded == SOLANA_ADDRESS_BYTES and not is_base58_of_one_case(run):
        return FoundAddress(run, SOLANA, start)
    if len(run) < SHORTEST_DAMAGED_SOLANA:
        return None
    if is_base58_of_one_case(run):
        if decoded != SOLANA_ADDRESS_BYTES:
            return None
        return DamagedAddress(
            run, "base58_lowercased", "a Solana address whose letters all have one case names nothing", start
        )
    what = "has a character outside base58" if decoded is None else f"decodes to {decoded} bytes"
    return DamagedAddress(
        run, "base58_wrong_length", f"{run} {what}; a Solana address has {SOLANA_ADDRESS_BYTES} bytes", start
    )


def _read_hex_run(text: str, run: str, match: re.Match[str]) -> FoundAddress | DamagedAddress | None:
    if _EVM_ADDRESS.fullmatch(run):
        if _is_glued(text, match):
            return DamagedAddress(
                run, "evm_glued", "an EVM address is glued to letters of another script", match.start()
            )
        return None if set(run[2:]) == {"0"} else FoundAddress(run, EVM, match.start(), checksum_verdict(run))
    if _EVM_HASH.fullmatch(run) or not _EVM_DAMAGED.fullmatch(run):
        return None
    reason = f"{len(run) - 2} characters follow 0x; an EVM address has 40 hex digits"
    return DamagedAddress(run, "evm_wrong_length", reason, match.start())


def _unveiled(match: re.Match[str]) -> str:
    """A run as it is seen, where only together its parts are long enough; the rest goes behind it, so places stay."""
    veiled = match.group()
    run = without_unseen(veiled)
    if _RUN.search(veiled) or not _RUN.match(run):
        return veiled
    return run + "\u200b" * (len(veiled) - len(run))


def _without_ton(match: re.Match[str]) -> str:
    """Blanks for an address of TON: what stands between its hyphens may have the form of another chain's address."""
    address = match.group()
    return address if crc_hqx(urlsafe_b64decode(address), 0) else " " * len(address)


def _cut_by_white_space(text: str) -> Iterator[DamagedAddress]:
    """Neighbouring runs of which none is an address, and that are one together: a long one and those around it."""
    # An address that is whole is no part of another one: where no other long run is, nothing can be cut.
    torn = {part.start() for part in _LONG_PART.finditer(text) if _may_be_part(part[0]) and not _is_address(part[0])}
    if not torn:
        return
    parts = list(_PART.finditer(text))
    long = [index for index, part in enumerate(parts) if part.start() in torn]
    beginnings = {index - back for index in long for back in range(_MOST_PARTS) if index >= back}
    for index in sorted(beginnings):
        first = parts[index]
        joined, end = first.group(), first.end()
        if _is_address(joined):
            continue
        for part in parts[index + 1 : index + _MOST_PARTS]:
            between, joined = text[end : part.start()], joined + part.group()
            if not between.isspace() or len(between) > 4 or _is_address(part.group()):
                break
            end = part.end()
            if len(joined) <= 40 or not has_part_of_address(text[first.start() : end]):
                continue
            if is_evm_address(joined) or (is_solana_address(joined) and _has_all_kinds(joined)):
                reason = f"white space cuts an address into pieces that are {joined} together"
                yield DamagedAddress(joined, "address_cut", reason, first.start())


def _is_address(run: str) -> bool:
    return is_solana_address(run) or is_evm_address(run)


def _may_be_part(run: str) -> bool:
    is_word = run.isalpha() and run[1:].islower()
    return not is_word and not run.isdigit()


def _has_all_kinds(run: str) -> bool:
    return run not in {run.lower(), run.upper()} and any(character.isdigit() for character in run)


def _is_glued(text: str, match: re.Match[str]) -> bool:
    """Whether a cased letter (Latin, Cyrillic, Greek) touches the run; scripts without case have no spaces."""
    before, after = (
        text[match.start() - 1 : match.start()] if match.start() else "",
        text[match.end() : match.end() + 1],
    )
    return any(letter.lower() != letter.upper() for letter in (before, after))


def _looks_random(run: str) -> bool:
    """Whether a run has digits and at least eight different characters: a word drawn out (``soooo``) has not."""
    return len(set(run)) >= 8 and any(character.isdigit() for character in run)


@lru_cache(maxsize=4096)
def _decoded_length(text: str) -> int | None:
    try:
        return len(base58.b58decode(text))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _eip55_spelling(digits: str) -> str:
    from eth_utils.address import (
        to_checksum_address,
    )  # imported here: it costs 0.2 s, and only mixed-case addresses need it

    return str(to_checksum_address("0x" + digits))[2:]
