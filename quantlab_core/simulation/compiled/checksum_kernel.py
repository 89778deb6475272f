"""A checksum at the speed of memory, for arrays that are read from a disposable file.

FNV-1a over words of 64 bits instead of bytes (http://www.isthe.com/chongo/tech/comp/fnv/). Each step is a bijection of
the state, so a change of any one word always shows. It is no protection against malice.
"""

from __future__ import annotations

import numba as nb
import numpy as np

START = 0xCBF29CE484222325
_PRIME = np.uint64(0x100000001B3)


@nb.njit(
    nb.uint64(nb.types.Array(nb.uint64, 1, "C", readonly=True), nb.uint64), cache=True, nogil=True, error_model="numpy"
)
def checksum_of_words(words, state):  # type: ignore[no-untyped-def]
    """The checksum of ``words`` after those whose checksum is ``state`` (`START`: none)."""
    for word in words:
        state = (state ^ word) * _PRIME
    return state
