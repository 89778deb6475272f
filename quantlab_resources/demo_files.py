"""The demo world as files, in the forms in which real data arrive: a Telegram export and Parquet files of candles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.demo.demo_world import DemoWorld
from quantlab_core.token import SOLANA
from quantlab_resources.artifacts.files.durable_files import replace_durably
from quantlab_resources.artifacts.files.parquet_files import plain_parquet


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """``export`` is Telegram Desktop's ``result.json``; ``candles`` are two files, Solana's tokens and all others."""

    export: Path
    candles: tuple[Path, ...]


def write_demo_files(world: DemoWorld, folder: Path) -> DemoFiles:
    """Write the world into ``folder``, made if need be. Equal worlds give equal bytes. Raises StorageError."""
    export = folder / "result.json"
    replace_durably(export, (json.dumps(world.export, ensure_ascii=False, indent=1) + "\n").encode())
    is_solana = pc.equal(world.candles["chain"], pa.scalar(SOLANA))
    parts = {"candles_solana.parquet": is_solana, "candles_evm.parquet": pc.invert(is_solana)}
    for name, rows in parts.items():
        replace_durably(folder / name, plain_parquet(world.candles.filter(rows)))
    return DemoFiles(export, tuple(folder / name for name in parts))
