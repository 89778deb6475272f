from __future__ import annotations

import hashlib
from collections import Counter

from quantlab_core.projections.token_buckets import BUCKETS, bucket_of


def test_the_bucket_is_the_remainder_of_the_first_eight_bytes_of_the_sha256() -> None:
    """SHA-256 of the empty text begins with e3b0c44298fc1c14; 0x14 = 20, and 64 divides 256."""
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c44298fc1c14")
    assert bucket_of("") == 20 % 64
    # 64 divides 256, so the eighth byte decides: SHA-256 of "abc" begins with ba7816bf8f01cfea, and 0xea = 234.
    assert bucket_of("abc") == 234 % 64 == 42


def test_tokens_spread_over_all_buckets() -> None:
    counts = Counter(bucket_of(f"Token{number}") for number in range(6_400))
    assert set(counts) == set(range(BUCKETS))
    assert max(counts.values()) < 160
