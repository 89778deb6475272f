"""Text of exported messages: pieces of plain and marked-up text as Telegram Desktop writes them."""

from __future__ import annotations

from collections.abc import Sequence

Entity = dict[str, str]
Piece = str | Entity
"""Plain text, or ``{"type", "text"}`` with an ``href`` where a link's target is not its text."""


def bold(text: str) -> Entity:
    """Bold text."""
    return {"type": "bold", "text": text}


def code(text: str) -> Entity:
    """Fixed-width text, as bots write numbers and addresses."""
    return {"type": "code", "text": text}


def italic(text: str) -> Entity:
    """Italic text."""
    return {"type": "italic", "text": text}


def marked(type_: str, text: str) -> Entity:
    """Text that Telegram recognised by itself: link, cashtag, hashtag, bot_command."""
    return {"type": type_, "text": text}


def linked(text: str, href: str) -> Entity:
    """Text with a link behind it."""
    return {"type": "text_link", "text": text, "href": href}


def exported_text(pieces: Sequence[Piece]) -> str | list[Piece]:
    """The ``text`` field: a string where nothing is marked up, else the pieces with plain neighbours joined."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece:
            joined.append(piece)
    if not joined:
        return ""
    return joined[0] if len(joined) == 1 and isinstance(joined[0], str) else joined


def exported_entities(pieces: Sequence[Piece]) -> list[Entity]:
    """The ``text_entities`` field: the same pieces, plain ones marked as such."""
    text = exported_text(pieces)
    parts = [text] if isinstance(text, str) else text
    return [{"type": "plain", "text": part} if isinstance(part, str) else part for part in parts if part]
