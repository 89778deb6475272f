"""Tokens of a table's rows as small numbers, so that rows can be sorted and grouped without comparing text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import Integers, compute, one_array
from quantlab_core.token import Token


@dataclass(frozen=True, slots=True)
class TokenCodes:
    """``tokens`` in their order, and per row the position of its token in it."""

    tokens: tuple[Token, ...]
    codes: Integers


def token_codes(table: pa.Table, address_column: str = "token_address") -> TokenCodes:
    """The tokens named by the columns ``chain`` and ``address_column``, neither of which has nulls."""
    names = compute.binary_join_element_wise(one_array(table["chain"]), one_array(table[address_column]), ":")
    encoded = compute.dictionary_encode(names)
    found = [Token.from_partition_key(name) for name in encoded.dictionary.to_pylist()]
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty(len(found), dtype=np.int64)
    rank[order] = np.arange(len(found))
    return TokenCodes(tuple(found[position] for position in order), rank[encoded.indices.to_numpy()])
