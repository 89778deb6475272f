"""A token: chain and address. Its key is the Dagster partition of the token and part of logical keys."""

from __future__ import annotations

from dataclasses import dataclass

from quantlab_core.errors import InvalidInputError

SOLANA = "solana"
EVM_UNKNOWN = "evm_unknown"
EVM_CHAINS = frozenset(
    {
        "abstract",
        "arbitrum",
        "avalanche",
        "base",
        "berachain",
        "blast",
        "bsc",
        "ethereum",
        "hyperevm",
        "linea",
        "monad",
        "optimism",
        "polygon",
        "sonic",
        "unichain",
        EVM_UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """One token on one chain. EVM addresses are lower case here, Solana addresses keep their case."""

    chain: str
    address: str

    @property
    def partition_key(self) -> str:
        """``solana:<mint>`` or ``base:0x…``."""
        return f"{self.chain}:{self.address}"

    @property
    def key_parts(self) -> dict[str, str]:
        """The parts that name the token in a logical key. Solana is implied by the address, as in the existing lake."""
        return {"token": self.address} if self.chain == SOLANA else {"token": self.address, "chain": self.chain}

    @classmethod
    def from_partition_key(cls, key: str) -> Token:
        """The inverse of `partition_key`. Raises InvalidInputError."""
        chain, colon, address = key.partition(":")
        if not (chain and colon and address):
            raise InvalidInputError(f"{key!r} is not a token partition; expected <chain>:<address>")
        return cls(chain, address)

    @classmethod
    def from_key_parts(cls, parts: dict[str, str]) -> Token:
        """The token named by the parts of a slice's or series' logical key.

        Keys of the earlier store name no chain, or ``evm``, for EVM addresses, and keep their capitals.
        """
        address, chain = parts["token"], parts.get("chain")
        if looks_evm(address):
            return cls(EVM_UNKNOWN if chain in {None, "evm"} else str(chain), plain_address(address))
        return cls(chain or SOLANA, address)


def looks_evm(address: str) -> bool:
    """Whether an address is written as those of EVM chains are; whether it is one, `addresses` tells."""
    return address[:2] in {"0x", "0X"}


def plain_address(address: str) -> str:
    """An address as tokens have it: of an EVM chain in lower case, of Solana as it is written."""
    return address.lower() if looks_evm(address) else address


def split_token_name(name: str) -> tuple[str, str]:
    """Chain and plain address of ``<chain>:<address>``; the chain is empty where only an address is written."""
    chain, _, address = name.rpartition(":")
    return chain, plain_address(address)
