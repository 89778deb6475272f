"""A record index as one file: the block of `RecordIndex.to_bytes`, and a footer with its checksum and what it is of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab_core.errors import InvalidInputError
from quantlab_core.simulation.candle_pack import Calls
from quantlab_core.simulation.engine_version import ENGINE_VERSION
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_resources.projections import candle_pack_file
from quantlab_resources.projections.sealed_file import checksum, mapped_file, replacing, sealed_footer, write_at

if TYPE_CHECKING:
    from quantlab_core.simulation.sweep.record_index import RecordIndex

FORMAT = "quantlab-record-index-file/1"
"""Part of every footer: an index of another format is built again. Raise it, too, when records come out otherwise."""

_MAGIC = b"QLRECS1\n"

Identity = Mapping[str, Any]


def identity_of(content_hash: str, calls: Calls, rule: EntryRule, hold_ms: int) -> Identity:
    """All that an index depends on: candles, calls, what is asked of them, and the code that answers."""
    listed = hashlib.sha256(len(calls).to_bytes(8, "little"))
    for column in (calls.series_index, calls.tradable_from_ms):
        listed.update(np.ascontiguousarray(column, dtype="<i8").data)
    return {
        "contentHash": content_hash,
        "calls": listed.hexdigest(),
        "rule": asdict(rule),
        "holdMs": hold_ms,
        "engine": ENGINE_VERSION,
        "pack": candle_pack_file.FORMAT,
    }


def name_of(identity: Identity) -> str:
    """The identity as 32 hexadecimal digits, for a file name; the whole of it stands in the footer."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def write_index(path: Path, building: Path, identity: Identity, index: RecordIndex) -> None:
    """Write ``index`` under the name ``building``, then swap it in as ``path``. Raises StorageError."""
    block = index.to_bytes()
    footer = {
        "format": FORMAT,
        "identity": identity,
        "size": len(block),
        "sum": checksum(np.frombuffer(block, dtype=np.uint64)),
    }
    with replacing(path, building) as descriptor:
        write_at(descriptor, block, 0)
        write_at(descriptor, sealed_footer(footer, _MAGIC), len(block))


def mapped_index(path: Path, identity: Identity) -> RecordIndex | None:
    """The index in the file, as views of the mapped file; None unless it is a whole index of this identity.

    Every byte of it is checked. The views stay good when the file is replaced or deleted.
    """
    from quantlab_core.simulation.sweep.record_index import RecordIndex

    try:
        found = mapped_file(path, _MAGIC, FORMAT, identity=identity)
        if found is None:
            return None
        memory, footer = found
        block = memoryview(memory)[: footer["size"]]
        if checksum(np.frombuffer(block, dtype=np.uint64)) != footer["sum"]:
            return None
        return RecordIndex.from_buffer(block)
    except (OSError, ValueError, KeyError, TypeError, InvalidInputError):
        return None
