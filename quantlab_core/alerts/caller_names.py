"""How names of callers are compared: one spelling for what people write in many."""

from __future__ import annotations

import unicodedata


def normalise_name(name: str | None) -> str | None:
    """A sender's name to compare by: NFKC, case-folded, white space collapsed; None for an empty one."""
    if name is None:
        return None
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split()) or None
