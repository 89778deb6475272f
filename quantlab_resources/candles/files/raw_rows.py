"""The rows of a candle file as they stand in it, before anything is interpreted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from quantlab_core.candles.arrow_columns import Integers
from quantlab_core.errors import CandleFileError, NotFoundError, StorageError

HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that is beyond use, such as a line with the wrong number of fields.

    ``row_number`` counts from 1, without header and blank lines; ``text`` is the row as it stands in the file;
    ``rule_id`` is one of `validation.RULES`.
    """

    row_number: int
    text: str
    reason: str
    rule_id: str = "row_malformed"


@dataclass(frozen=True, slots=True)
class RawRows:
    """``table`` has the file's columns; text stays text. ``row_numbers`` are those of its rows in the file, from 1."""

    table: pa.Table
    row_numbers: Integers
    malformed: tuple[MalformedRow, ...] = ()

    @property
    def total(self) -> int:
        """Rows of the file."""
        return self.table.num_rows + len(self.malformed)


@dataclass(frozen=True, slots=True)
class FileStart:
    """The first bytes of a file, for telling its format. ``head`` is all of it when the file is short."""

    path: Path
    head: bytes
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether ``head`` is the whole file."""
        return len(self.head) >= self.size


def file_start(path: Path) -> FileStart:
    """The first 64 KiB of a file. Raises NotFoundError, StorageError."""
    with opened(path) as file:
        return FileStart(path, file.read(HEAD_BYTES), path.stat().st_size)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, to be read. Raises NotFoundError, and StorageError also for what fails while it is read."""
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: candle file not found; check the path") from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error


def refuse_larger(start: FileStart, most_bytes: int, what: str) -> None:
    """Raise CandleFileError for a file of more bytes than ``what`` takes."""
    if start.size > most_bytes:
        raise CandleFileError(
            f"{start.path}: {start.size:,} bytes are more than one {what} takes ({most_bytes:,}); split the file"
        )


def refuse_repeated_names(path: Path, names: list[str]) -> None:
    """Raise CandleFileError when two columns have one name."""
    repeated = next((name for position, name in enumerate(names) if name in names[:position]), None)
    if repeated is not None:
        raise CandleFileError(f"{path}: two columns are named {repeated!r}; rename or remove one")
