"""File names of artifacts: ``<type>/v<N>/<type>__v<N>__<hint>__ch=<start of the content hash>.parquet``.

Names are for people; identity is in the manifest. Nothing a caller gives becomes a path: types, keys and hints are
checked against a grammar without separators first.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from quantlab_core.artifacts.artifact_files import RAW_FILES
from quantlab_core.artifacts.logical_key import MAX_KEY_LENGTH, file_hint, is_key_value, parse_key
from quantlab_core.errors import InvalidInputError, LogicalKeyError, SchemaError

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact_type import ArtifactType

MAX_NAME_BYTES = 255
SUFFIX_LENGTHS = (8, 16, 32, 64)
"""Hex digits of the content hash in the name: more of them when a name is taken by other bytes."""

_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PART_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_HINT = re.compile(r"[A-Za-z0-9._:+=-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION_FOLDER = re.compile(r"v[0-9]{1,7}")
_MAX_VERSION = 1_000_000
_LONGEST_EXTENSION = ".parquet"


def check_type_name(name: str, version: int) -> None:
    """Raise SchemaError unless (name, version) may become folder names."""
    if _TYPE_NAME.fullmatch(name) is None:
        raise SchemaError(
            f"{name[:80]!r} cannot name an artifact type: lower-case letters, digits and _ only, at most 64"
        )
    if not 0 < version < _MAX_VERSION:
        raise SchemaError(f"{name}/v{version}: the schema version must be between 1 and {_MAX_VERSION - 1}")


def check_logical_key(spec: ArtifactType, logical_key: str) -> None:
    """Raise LogicalKeyError unless the key follows the grammar of ``spec``; types without one take any safe parts."""
    if spec.key_parts:
        parse_key(spec, logical_key)
        return
    if len(logical_key) > MAX_KEY_LENGTH:
        raise LogicalKeyError(f"a logical key of {len(logical_key)} characters is too long (at most {MAX_KEY_LENGTH})")
    for piece in logical_key.split("/"):
        name, equals, value = piece.partition("=")
        if not is_key_value(value if equals else name) or (equals and _PART_NAME.fullmatch(name) is None):
            raise LogicalKeyError(
                f"{logical_key!r} is not a logical key: expected name=value parts joined by /, not {piece!r}"
            )


def artifact_stem(spec: ArtifactType, logical_key: str, filename_hint: str | None, digest: str) -> str:
    """The file name without extension; ``digest`` is the part of the content hash that it ends with.

    A name that would pass 255 bytes is cut and gets 16 hex digits of the hash of what was cut.
    Raises LogicalKeyError for a hint that holds anything but key characters.
    """
    hint = file_hint(filename_hint or logical_key)
    if _HINT.fullmatch(hint) is None:
        raise LogicalKeyError(f"{(filename_hint or logical_key)[:80]!r} cannot be part of a file name")
    head, tail = f"{spec.name}__v{spec.version}__", f"__ch={digest}"
    room = MAX_NAME_BYTES - len(head) - len(tail) - len(_LONGEST_EXTENSION)
    if len(hint) > room:
        mark = "~" + hashlib.sha256(hint.encode()).hexdigest()[:16]
        hint = hint[: room - len(mark)] + mark
    return head + hint + tail


def artifact_folder(spec: ArtifactType) -> PurePosixPath:
    """Folder of the type's files, relative to the artifacts root."""
    return PurePosixPath(spec.name, f"v{spec.version}")


def raw_file_name(sha256: str) -> str:
    """Name of the raw file with this SHA-256 among the artifact files. Raises InvalidInputError for another text."""
    if _SHA256.fullmatch(sha256) is None:
        raise InvalidInputError(f"{sha256[:80]!r} is no SHA-256 of a raw file")
    return f"{RAW_FILES}/{sha256}"


def name_in_lake(stored: str) -> str | None:
    """The name, relative to the artifacts root, that a stored path stands for; None where it can be none.

    The earlier store wrote absolute paths, of a machine that may be gone: only ``<type>/v<N>/<name>`` at their end
    counts. So no manifest can name a file outside the lake.
    """
    parts = stored.split("/")
    if not stored or "\0" in stored or not {"", ".", ".."}.isdisjoint(parts[1:] if stored.startswith("/") else parts):
        return None
    if not stored.startswith("/"):
        return stored
    return "/".join(parts[-3:]) if len(parts) > 3 and _VERSION_FOLDER.fullmatch(parts[-2]) else None
