"""Which bucket of a dataset holds a token: a rule that other programs can follow and that never changes."""

from __future__ import annotations

import hashlib

BUCKETS = 64


def bucket_of(token: str) -> int:
    """The first 8 bytes of the SHA-256 of the token's UTF-8 text, as an unsigned big-endian integer, modulo 64."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big") % BUCKETS
