"""The bytes of a Telegram JSON export as clean text, with the exporter's known mistakes repaired and counted.

Repairs: byte order marks and UTF-16; bytes that are no UTF-8 (replaced by U+FFFD); ``\\x01`` escapes, which JSON does
not have; escaped halves of surrogate pairs; ``document_id`` values written without quotes. Nothing is left out. The
file is read piece by piece, and each place of a piece is known in source bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from quantlab_core.errors import TelegramExportError

# So much text without a line break, a closing brace or a comma is a single string larger than any message.
MAX_SILENT_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 131_072

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# What is no text is kept as lone surrogates, which no text has, so that its number and places stay known.
_KEEPING_BAD_BYTES = {"utf-8": "surrogateescape", "utf-16-le": "surrogatepass", "utf-16-be": "surrogatepass"}
_BAD = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

_ESCAPES = (
    r"\\(?:x(?P<hex>[0-9a-fA-F]{2})"
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|.)"
)
# Lengths are bounded so that no text, however odd, is searched in more than linear time.
_ID_VALUES = (
    r'"document_id":(?![ \t]{0,16}(?:["{\[]|-?\d{1,20}\s{0,16}[,}\r\n]|(?:null|true|false)\s{0,16}[,}\r\n]))'
    r'[ \t]{0,16}(?P<id>[^"\r\n}]{1,1024})(?=[\r\n}])'
)
_TELLING_ESCAPE = re.compile(r"\\(?:x|u[dD])")
_UNQUOTED_ID = re.compile(_ID_VALUES)
_ESCAPE_OR_UNQUOTED_ID = re.compile(f"{_ESCAPES}|{_ID_VALUES}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """Clean ``text``, the ``source`` text that it was made of, and the byte of the file where that starts.

    ``edits`` are the repairs in order: the place in ``text`` behind each, and how much longer it is there than
    ``source``.
    """

    text: str
    source: str
    start: int
    encoding: str
    edits: tuple[tuple[int, int], ...] = ()

    def offset(self, place: int) -> int:
        """The byte of the file at this place of ``text``; inside a repair, a byte near it."""
        before = bisect_right(self.edits, place, key=lambda edit: edit[0])
        grown = self.edits[before - 1][1] if before else 0
        return self.start + _source_length(self.source[: place - grown], self.encoding)


class ExportText:
    """The text of ``stream``, piece by piece; ``repairs`` counts what was mended."""

    def __init__(self, stream: BinaryIO, name: str, repairs: Counter[str]) -> None:
        self._stream = stream
        self._name = name
        self._repairs = repairs
        self._held = b""
        head = stream.read(4)
        mark, self.encoding = next(
            (pair for pair in _BYTE_ORDER_MARKS if head.startswith(pair[0])), (b"", _guess(head))
        )
        stream.seek(len(mark))
        self.position = len(mark)
        self._width = len("\n".encode(self.encoding))
        # A piece ends behind the last line break, or in a file without any, behind the last brace or comma.
        self._ends = tuple(character.encode(self.encoding) for character in "\n},")
        self._id_sign = '"document_id"'.encode(self.encoding)

    def piece(self) -> Piece | None:
        """The next piece, which ends where no repair can be cut in two; None at the end.

        Raises TelegramExportError where no such place comes: nothing in an export is that long.
        """
        parts, length = [self._held], len(self._held)
        self._held = b""
        while content := self._stream.read(PIECE_BYTES):
            parts.append(content)
            length += len(content)
            if cut := self._last_cut(content):
                parts[-1], self._held = content[:cut], content[cut:]
                break
            if length > MAX_SILENT_BYTES:
                raise TelegramExportError(
                    f"{self._name}: a single value near byte {self.position:,} is larger than {MAX_SILENT_BYTES:,} "
                    "bytes, which no message is; nothing was imported; export the chat again"
                )
        source = b"".join(parts)
        return self._repaired(source) if source else None

    def _last_cut(self, content: bytes) -> int:
        for end in self._ends:
            place = content.rfind(end)
            while place % self._width and place > 0:
                place = content.rfind(end, 0, place + self._width - 1)
            if place >= 0 and not place % self._width:
                return place + self._width
        return 0

    def _repaired(self, content: bytes) -> Piece:
        start = self.position
        self.position += len(content)
        try:
            source = text = content.decode(self.encoding)
        except UnicodeDecodeError:
            odd = len(content) % self._width  # UTF-16 that ends within a character
            source = content[: len(content) - odd].decode(self.encoding, _KEEPING_BAD_BYTES[self.encoding])
            text, bad = _BAD.subn(_REPLACEMENT, source)
            self._repairs["bad_bytes"] += bad + odd
        if _TELLING_ESCAPE.search(text):
            return self._edited(_ESCAPE_OR_UNQUOTED_ID, text, source, start)
        if self._id_sign in content:
            return self._edited(_UNQUOTED_ID, text, source, start)
        return Piece(text, source, start, self.encoding)

    def _edited(self, pattern: re.Pattern[str], text: str, source: str, start: int) -> Piece:
        edits: list[tuple[int, int]] = []
        grown = 0

        def edit(match: re.Match[str]) -> str:
            nonlocal grown
            found = match.group()
            mended = self._mended(match, found)
            if mended is not found:
                grown += len(mended) - len(found)
                edits.append((match.end() + grown, grown))
            return mended

        return Piece(pattern.sub(edit, text), source, start, self.encoding, tuple(edits))

    def _mended(self, match: re.Match[str], found: str) -> str:
        parts = match.groupdict()
        if parts["id"] is not None:
            if match.string[match.start() - 1 : match.start()] == "\\":
                return found
            self._repairs["unquoted_document_ids"] += 1
            value = parts["id"].rstrip()
            comma = "," if value.endswith(",") else ""
            return f'"document_id": "{value.removesuffix(",")}"{comma}'
        if parts.get("hex") is not None:
            self._repairs["bad_escapes"] += 1
            return f"\\u00{parts['hex']}"
        if parts.get("half") is not None:
            self._repairs["bad_escapes"] += 1
            return r"\ufffd"
        return found


def _source_length(text: str, encoding: str) -> int:
    return len(text.encode(encoding, _KEEPING_BAD_BYTES[encoding]))


def _guess(head: bytes) -> str:
    """UTF-16 without a mark shows as zero bytes around the first brace."""
    if head[:1] and head[1:2] == b"\x00":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\x00" else "utf-8"
