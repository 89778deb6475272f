"""The files of one export: a folder, one page of several, or a ZIP archive of pages is one export all the same.

What is archived is always one file. Pages of an HTML export that belong together are packed into a ZIP archive, byte
by byte as they are and always the same way, so that the same pages are the same export.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from quantlab_core.errors import NotFoundError, StorageError, TelegramExportError

MAX_PAGE_BYTES = 64 * 1024 * 1024
MAX_PAGES = 20_000
ZIP_HEAD = b"PK\x03\x04"
RESULT = "result.json"
_PAGE = re.compile(r"(.*messages)(\d{0,6})\.html", re.IGNORECASE)
_ANY_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PageFile:
    """One page: its name in the export, and the file or archive that holds it."""

    name: str
    holder: Path
    member: str | None = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes, wherever they are. Raises OSError, zipfile.BadZipFile."""
        if self.member is None:
            with self.holder.open("rb") as stream:
                yield stream
        else:
            with zipfile.ZipFile(self.holder) as archive, archive.open(self.member) as stream:
                yield stream  # type: ignore[misc]  # readable, and nothing else is asked of it


def export_file(path: Path) -> Path:
    """The file to read for what the user named: in a folder the ``result.json``, else the first page.

    Raises NotFoundError, TelegramExportError (a folder that holds no export).
    """
    if not path.is_dir():
        return path
    if (path / RESULT).is_file():
        return path / RESULT
    pages = sorted((found for found in path.iterdir() if _PAGE.fullmatch(found.name)), key=_order)
    if not pages:
        raise TelegramExportError(f"{path} is a folder without {RESULT} or messages.html; name a Telegram export")
    if len({_stem(page.name) for page in pages}) > 1:
        raise TelegramExportError(f"{path} holds the pages of several chats; name one page of the chat that is meant")
    return pages[0]


def pages_of(path: Path) -> list[PageFile]:
    """The pages that belong to the page or archive at ``path``, in the order of their numbers.

    Raises NotFoundError, StorageError, TelegramExportError (an archive without pages, or with those of several chats).
    """
    try:
        with path.open("rb") as file:
            is_archive = file.read(len(ZIP_HEAD)) == ZIP_HEAD
        if is_archive:
            return _pages_in_archive(path)
        if not _PAGE.fullmatch(path.name):
            return [PageFile(path.name, path)]
        stem = _stem(path.name)
        together = [found for found in path.parent.iterdir() if _stem(found.name) == stem and found.is_file()]
        return [PageFile(page.name, page) for page in sorted(together, key=_order)]
    except FileNotFoundError:
        raise NotFoundError(f"{path} not found; name a Telegram export") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def as_one_file(path: Path) -> Iterator[Path]:
    """One file with the whole export that ``path`` names: itself, or for the block an archive of its pages.

    Raises NotFoundError, StorageError, TelegramExportError.
    """
    file = export_file(path)
    pages = pages_of(file) if _PAGE.fullmatch(file.name) else []
    if len(pages) < 2:
        yield file
        return
    with TemporaryDirectory(prefix="quantlab-") as scratch:
        packed = Path(scratch) / f"{file.absolute().parent.name or 'export'}.zip"
        try:
            _pack(pages, packed)
        except OSError as error:
            raise StorageError(f"{packed} cannot be written: {error.strerror or error}") from error
        yield packed


def export_sha256(path: Path) -> str:
    """The SHA-256 of the file that the archive would hold of this export. Raises as `as_one_file`, and OSError."""
    with as_one_file(path) as file, file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pages_in_archive(path: Path) -> list[PageFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if _PAGE.fullmatch(info.filename)]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise TelegramExportError(f"{path} is a damaged ZIP archive ({error}); copy it again") from None
    if not members or len(members) > MAX_PAGES:
        raise TelegramExportError(f"{path} is a ZIP archive without the pages of an HTML export (messages.html, …)")
    if len({_stem(info.filename) for info in members}) > 1:
        raise TelegramExportError(f"{path} holds the pages of several chats; pack the pages of one chat")
    return [
        PageFile(Path(info.filename).name, path, info.filename)
        for info in sorted(members, key=lambda info: _order(Path(info.filename)))
    ]


def _pack(pages: list[PageFile], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for page in pages:
            entry = zipfile.ZipInfo(page.name, _ANY_DATE)
            entry.external_attr = 0o444 << 16
            entry.create_system = 3
            with page.open() as stream, archive.open(entry, "w") as packed:
                while block := stream.read(1 << 20):
                    packed.write(block)


def _stem(name: str) -> str | None:
    found = _PAGE.fullmatch(name)
    return None if found is None else found[1].lower()


def _order(page: Path) -> tuple[int, str]:
    found = _PAGE.fullmatch(page.name)
    return (int(found[2] or 1) if found else 0, page.name)
