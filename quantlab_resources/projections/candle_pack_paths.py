"""Where the pack of a frozen set lies in a cache folder, its lock, and the record indexes that belong to it."""

from __future__ import annotations

from pathlib import Path

PREFIX, SUFFIX, INDEX_SUFFIX = "candles-", ".pack", ".index"


def pack_path(cache_dir: Path, content_hash: str) -> Path:
    """The file of the pack of the set with this content hash."""
    return cache_dir / f"{PREFIX}{content_hash.partition(':')[2]}{SUFFIX}"


def lock_path(pack: Path) -> Path:
    """The lock that is held by who makes or removes the pack, or an index of it."""
    return pack.parent / f".{pack.stem}.file-lock"


def index_path(pack: Path, identity: str) -> Path:
    """The file of the record index of this identity (hexadecimal)."""
    return pack.parent / f"{pack.stem}.{identity}{INDEX_SUFFIX}"


def index_paths(pack: Path) -> list[Path]:
    """The record indexes that are kept of the pack, by name."""
    return sorted(pack.parent.glob(f"{pack.stem}.*{INDEX_SUFFIX}"))
