"""An answer as a stream of Arrow, read to its very end.

pyarrow takes a stream that was cut between two messages for a whole one, and never looks behind the end marker, where
a server can still say that it failed. So the marker is required here, and nothing may follow it.
"""

from __future__ import annotations

import io
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.ipc

END_MARKER = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_KEPT_TAIL = 16 * 1024
_CHUNK = 64 * 1024


class IncompleteAnswerError(Exception):
    """The answer is not whole; ``tail`` is the last of what came, where a server may have written why."""

    def __init__(self, message: str, tail: bytes = b"") -> None:
        super().__init__(message)
        self.tail = tail


class AnswerTooLargeError(Exception):
    """The answer is larger than was allowed; nothing of it is kept."""


class ByteStream(Protocol):
    """What is read from: an HTTP response, or bytes in memory."""

    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


def read_answer(stream: ByteStream, *, max_bytes: int) -> pa.Table:
    """The whole answer as one table.

    Raises IncompleteAnswerError, AnswerTooLargeError, and whatever ``stream`` raises.
    """
    watched = _WatchedStream(stream, max_bytes)
    batches = []
    size = 0
    try:
        reader: Any = pa.ipc.open_stream(watched)
        for batch in reader:
            batches.append(batch)
            size += batch.nbytes
            if size > max_bytes:
                raise AnswerTooLargeError(f"the answer is larger than {max_bytes // 2**20} MiB")
    except (pa.ArrowException, EOFError) as error:
        raise IncompleteAnswerError("the answer broke off", watched.rest()) from error
    except OSError as error:
        # pyarrow reports a message that is cut short as a plain OSError; those of a network come with a number.
        if error.errno is not None or type(error) is not OSError:
            raise
        raise IncompleteAnswerError("the answer broke off", watched.rest()) from error
    if not watched.ends_with(END_MARKER):
        raise IncompleteAnswerError("the answer broke off before its end marker", watched.rest())
    if watched.read(_CHUNK):
        raise IncompleteAnswerError("something follows the end marker of the answer", watched.rest())
    return pa.Table.from_batches(batches, schema=reader.schema)


class _WatchedStream(io.RawIOBase):
    """Passes on what it reads, bounded, and keeps the last of it."""

    def __init__(self, stream: ByteStream, max_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = max_bytes
        self._tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        got = self._stream.read(wanted) if wanted else b""
        self._left -= len(got)
        if self._left < 0:
            raise AnswerTooLargeError("the answer is larger than was allowed")
        self._tail = (self._tail + got[-_KEPT_TAIL:])[-_KEPT_TAIL:]
        return got

    def ends_with(self, ending: bytes) -> bool:
        return self._tail.endswith(ending)

    def rest(self) -> bytes:
        """The last of what was read, and a little of what was not, for the reason that a server may have written."""
        try:
            return (self._tail + self._stream.read(_CHUNK))[-_KEPT_TAIL - _CHUNK :]
        except Exception:
            return self._tail
