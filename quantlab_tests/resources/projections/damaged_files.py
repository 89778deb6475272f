"""Damage to stored files, as a disk or a person may do it."""

from __future__ import annotations

from pathlib import Path


def damage(path: Path) -> None:
    """Flip one bit in the middle of a stored file."""
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
