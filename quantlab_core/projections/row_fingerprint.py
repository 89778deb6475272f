"""A hash of rows that does not depend on their order, and to which rows can be added and from which they can be taken.

Every value becomes a 64-bit word: numbers and times by their bits, text and bytes by the first 8 bytes of their BLAKE2b
(little-endian), a list by the sum over its values of mix(word + (position + 1) * G), null by its own constant. A column
has a seed and an odd factor, both from its name and type. With m = mix(word xor seed), a row is the pair
(sum of m, sum of m * factor) over its columns; the hash of many rows is the pair of the sums of mix over both. All
arithmetic is modulo 2**64; ``mix`` is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection.

Different rows agree by chance with probability 2**-128, two texts in one place with 2**-64; somebody who searches can
find a pair, for it is no cryptographic hash. Equal rows count as often as they occur. NaN is one value; -0.0 and 0.0
are two.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.logical_type import logical_type_name, plain_type, value_type

Words = npt.NDArray[np.uint64]

_MODULUS = 2**64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NULL = np.uint64(0x6A09E667F3BCC909)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


@dataclass(frozen=True, slots=True)
class RowsHash:
    """The hash of a multiset of rows; `RowsHash()` is that of none."""

    first: int = 0
    second: int = 0

    def __add__(self, other: RowsHash) -> RowsHash:
        """The hash of both together."""
        return RowsHash((self.first + other.first) % _MODULUS, (self.second + other.second) % _MODULUS)

    def __sub__(self, other: RowsHash) -> RowsHash:
        """The hash of what is left when ``other``'s rows are taken away."""
        return RowsHash((self.first - other.first) % _MODULUS, (self.second - other.second) % _MODULUS)

    def __str__(self) -> str:
        return f"{self.first:016x}{self.second:016x}"

    @classmethod
    def parse(cls, text: str) -> RowsHash:
        """The hash that ``str`` wrote. Raises ValueError."""
        if len(text) != 32:
            raise ValueError(f"{text!r} is no hash of rows")
        return cls(int(text[:16], 16), int(text[16:], 16))


def hash_of_rows(rows: pa.RecordBatch | pa.Table) -> RowsHash:
    """The hash of these rows. Raises SchemaError for a column type that no artifact has."""
    first, second = np.zeros(rows.num_rows, np.uint64), np.zeros(rows.num_rows, np.uint64)
    for field, column in zip(rows.schema, rows.columns, strict=True):
        seed, factor = _constants(field.name, plain_type(field.type))
        mixed = _mix(_words(_one_array(column)) ^ seed)
        first += mixed
        second += mixed * factor
    return RowsHash(int(_mix(first).sum(dtype=np.uint64)), int(_mix(second).sum(dtype=np.uint64)))


def _constants(name: str, type_: pa.DataType) -> tuple[np.uint64, np.uint64]:
    digest = hashlib.blake2b(f"{name}\0{logical_type_name(type_)}".encode(), digest_size=16).digest()
    seed, factor = np.frombuffer(digest, "<u8")
    return np.uint64(seed), np.uint64(factor | 1)


def _one_array(column: Any) -> pa.Array[Any]:
    array: pa.Array[Any] = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    plain = plain_type(array.type)
    return array if array.type == plain else array.cast(plain)


def _words(values: pa.Array[Any]) -> Words:
    type_ = values.type
    if pa.types.is_list(type_):
        words = _words_of_lists(values)
    elif pa.types.is_string(type_) or pa.types.is_binary(type_):
        words = _words_of_text(values)
    elif pa.types.is_floating(type_):
        words = _words_of_floats(values)
    else:
        # Whole numbers, times, dates and booleans: the number itself, sign-extended.
        kind = pa.int32() if pa.types.is_date32(type_) else pa.int64() if pa.types.is_timestamp(type_) else None
        plain = values.cast(pa.uint8()) if pa.types.is_boolean(type_) else values if kind is None else values.view(kind)
        wide = pa.uint64() if pa.types.is_unsigned_integer(plain.type) else pa.int64()
        words = plain.fill_null(0).cast(wide).to_numpy(zero_copy_only=False).view(np.uint64)
    if values.null_count:
        return np.where(values.is_null().to_numpy(zero_copy_only=False), _NULL, words)
    return words


def _words_of_floats(values: pa.Array[Any]) -> Words:
    numbers = values.fill_null(0.0).to_numpy(zero_copy_only=False)
    bits = numbers.view(np.uint64 if numbers.dtype.itemsize == 8 else np.uint32).astype(np.uint64)
    is_nan = np.isnan(numbers)
    return np.where(is_nan, ~_NULL, bits) if is_nan.any() else bits


def _words_of_text(values: pa.Array[Any]) -> Words:
    packed: Any = pc.dictionary_encode(values.cast(pa.binary()))
    distinct = b"".join(
        hashlib.blake2b(value or b"", digest_size=8).digest() for value in packed.dictionary.to_pylist()
    )
    words = np.append(np.frombuffer(distinct, "<u8"), np.uint64(0))  # a place for the nulls
    places = packed.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
    found: Words = words[places].astype(np.uint64)
    return found


def _words_of_lists(values: Any) -> Words:
    offsets = values.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    lengths = np.diff(offsets)
    children = _words(_one_array(values.values.cast(plain_type(value_type(values.type)))))
    children = children[offsets[0] : offsets[-1]]
    starts = np.repeat(offsets[:-1] - offsets[0], lengths)
    places = (np.arange(len(children), dtype=np.int64) - starts + 1).astype(np.uint64)
    sums = np.append(np.uint64(0), np.cumsum(_mix(children + places * _GOLDEN), dtype=np.uint64))
    ends = offsets[1:] - offsets[0]
    return _mix((sums[ends] - sums[ends - lengths]) ^ lengths.astype(np.uint64))


def _mix(words: Words) -> Words:
    mixed = words + _GOLDEN
    mixed ^= mixed >> _SHIFTS[0]
    mixed *= _FACTORS[0]
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _FACTORS[1]
    mixed ^= mixed >> _SHIFTS[2]
    return mixed
