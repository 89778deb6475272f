"""Logical keys: the stable name under which an artifact's content may change, e.g. ``day=2025-05-01/chain=solana``.

Grammar: ``name=value`` parts joined by ``/``, optionally ended by one bare word. Values are 1 to 200 characters of
``A-Z a-z 0-9 . _ : + -``, never ``.`` or ``..``. Keys become file names only through `file_hint`, never raw paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quantlab_core.errors import LogicalKeyError

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact_type import ArtifactType

MAX_KEY_LENGTH = 1_000
MAX_VALUE_LENGTH = 200
_VALUE = re.compile(rf"[A-Za-z0-9._:+-]{{1,{MAX_VALUE_LENGTH}}}")


def format_key(spec: ArtifactType, parts: Mapping[str, str]) -> str:
    """The logical key of ``parts`` under the grammar of ``spec``.

    Raises LogicalKeyError for a missing, unknown or ill-formed part.
    """
    unknown = set(parts) - set(spec.key_parts)
    if unknown:
        raise LogicalKeyError(
            f"{spec.label} has no key part {min(unknown)!r}; its parts are {', '.join(spec.key_parts)}"
        )
    pieces = []
    for name in spec.key_parts:
        value = parts.get(name)
        if value is None:
            if name in spec.optional_key_parts:
                continue
            raise LogicalKeyError(f"{spec.label} needs the key part {name!r}")
        if not is_key_value(value):
            raise LogicalKeyError(f"{spec.label}: {value!r} cannot be the value of key part {name!r}")
        pieces.append(f"{name}={value}")
    if not isinstance(spec.asset, str) and parts[spec.key_parts[0]] not in spec.asset:
        first = spec.key_parts[0]
        raise LogicalKeyError(
            f"{spec.label}: {first}={parts[first]} belongs to no asset; {first} is {' or '.join(spec.asset)}"
        )
    if spec.key_suffix is not None:
        pieces.append(spec.key_suffix)
    return "/".join(pieces)


def parse_key(spec: ArtifactType, logical_key: str) -> dict[str, str]:
    """The parts of ``logical_key``, the inverse of `format_key`. Raises LogicalKeyError outside the grammar."""
    if len(logical_key) > MAX_KEY_LENGTH:
        raise LogicalKeyError(f"a logical key of {len(logical_key)} characters is too long (at most {MAX_KEY_LENGTH})")
    pieces = logical_key.split("/")
    if spec.key_suffix is not None and pieces.pop() != spec.key_suffix:
        raise LogicalKeyError(f"{logical_key!r} does not end in /{spec.key_suffix} as keys of {spec.label} do")
    parts = dict(piece.partition("=")[::2] for piece in pieces)
    if format_key(spec, parts) != logical_key:
        raise LogicalKeyError(f"{logical_key!r} is not a key of {spec.label}: expected {key_template(spec)}")
    return parts


def is_key_value(value: str) -> bool:
    """Whether ``value`` may stand in a logical key (and so in a Dagster partition key)."""
    return _VALUE.fullmatch(value) is not None and value not in {".", ".."} and "..." not in value


def key_template(spec: ArtifactType) -> str:
    """The grammar of ``spec`` as people write it, optional parts in brackets: ``token=<token>[/chain=<chain>]``."""
    template = ""
    for name in spec.key_parts:
        piece = f"{'/' if template else ''}{name}=<{name}>"
        template += f"[{piece}]" if name in spec.optional_key_parts else piece
    return f"{template}/{spec.key_suffix}" if spec.key_suffix else template


def file_hint(logical_key: str) -> str:
    """The logical key as it stands in a file name: ``/`` and space become ``_`` (``:`` and ``=`` stay)."""
    return logical_key.replace("/", "_").replace(" ", "_")
