"""The bytes of a Telegram JSON export as clean UTF-8, with the exporter's known mistakes repaired and counted.

Repairs: byte order marks and UTF-16; bytes that are no UTF-8 (replaced by U+FFFD); ``\\x01`` escapes, which JSON does
not have; ``document_id`` values written without quotes. Nothing is left out. The file is read piece by piece.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from typing import BinaryIO

from quantlab_core.errors import TelegramExportError

# Without an event for so many bytes a single string is larger than any message; reading on would only fill memory.
MAX_SILENT_BYTES = 4 * 1024 * 1024

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|.)", re.DOTALL)
_UNQUOTED_ID = re.compile(
    r'(?<!\\)("document_id":)(?![ \t]*(?:["{\[]|-?\d+\s*[,}\r\n]|(?:null|true|false)\s*[,}\r\n]))'
    r'[ \t]*([^"\r\n}]+?)(?=[ \t]*[\r\n}])'
)
_REPLACEMENT = "\ufffd"


class ExportText:
    """A readable binary stream over ``stream`` for the JSON parser; ``repairs`` counts what was mended.

    ``position`` is the number of source bytes behind the text that was handed out so far. The parser's user sets
    ``saw_event`` whenever the parser made progress.
    """

    def __init__(self, stream: BinaryIO, name: str, repairs: Counter[str]) -> None:
        self._stream = stream
        self._name = name
        self._repairs = repairs
        self._held = ""
        self._ended = False
        self._silent_bytes = 0
        self.saw_event = True
        head = stream.read(4)
        mark, self.encoding = next(
            (pair for pair in _BYTE_ORDER_MARKS if head.startswith(pair[0])), (b"", _guess(head))
        )
        stream.seek(len(mark))
        self.position = len(mark)
        self._decoder = codecs.getincrementaldecoder(self.encoding)(errors="replace")

    def read(self, size: int = 65_536) -> bytes:
        """The next piece of clean UTF-8 (of about ``size`` bytes, whatever fits repairs), empty at the end."""
        while not self._ended:
            piece = self._stream.read(max(size, 1024)) if size else b""
            if not size:
                return b""
            self._ended = not piece
            self._guard(len(piece))
            decoded = self._decoder.decode(piece, final=self._ended)
            self._count_bad_bytes(decoded, piece)
            text = self._held + decoded
            cut = len(text) if self._ended else max(text.rfind("\n"), text.rfind(",")) + 1
            self._held = text[cut:]
            if cut:
                self.position += self.source_length(text[:cut])
                return self._repaired(text[:cut]).encode("utf-8", "replace")
        return b""

    def source_length(self, text: str) -> int:
        """How many bytes ``text`` takes in the source; replaced bytes count three, so it is near there, not exact."""
        return len(text.encode(self.encoding, "replace"))

    def _guard(self, length: int) -> None:
        self._silent_bytes = length if self.saw_event else self._silent_bytes + length
        self.saw_event = False
        if self._silent_bytes > MAX_SILENT_BYTES:
            raise TelegramExportError(
                f"{self._name}: a single value near byte {self.position:,} is larger than {MAX_SILENT_BYTES:,} bytes, "
                "which no message is; nothing was imported; export the chat again"
            )

    def _count_bad_bytes(self, decoded: str, piece: bytes) -> None:
        if _REPLACEMENT in decoded:
            written = piece.count(_REPLACEMENT.encode(self.encoding))
            self._repairs["bad_bytes"] += max(decoded.count(_REPLACEMENT) - written, 0)

    def _repaired(self, text: str) -> str:
        if "\\x" in text:
            text = _ESCAPE.sub(self._valid_escape, text)
        if '"document_id"' in text:
            text = _UNQUOTED_ID.sub(self._quoted_id, text)
        return text

    def _valid_escape(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        self._repairs["bad_escapes"] += 1
        return f"\\u00{match[1]}"

    def _quoted_id(self, match: re.Match[str]) -> str:
        self._repairs["unquoted_document_ids"] += 1
        value = match[2].rstrip()
        comma = "," if value.endswith(",") else ""
        return f'{match[1]} "{value.removesuffix(",")}"{comma}'


def _guess(head: bytes) -> str:
    """UTF-16 without a mark shows as zero bytes around the first brace."""
    if head[:1] and head[1:2] == b"\x00":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\x00" else "utf-8"
