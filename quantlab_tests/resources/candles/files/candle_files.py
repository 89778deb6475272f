"""Candle files of foreign formats, small and invented, and what reading them gives."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.candle_file import CandleFile, read_candle_file

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
MINT = "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump"
SOL = "So11111111111111111111111111111111111111112"
EVM = "0x4200000000000000000000000000000000000001"
START = 1746132480
"""2025-05-01 20:48 UTC, in seconds."""

OF_TOKEN: dict[str, Any] = {"token": MINT, "chain": "solana"}
UNITS: dict[str, Any] = {"price_unit": "usd", "volume_unit": "usd"}


def put(folder: Path, content: str | bytes | list[Any] | dict[str, Any], name: str = "candles.json") -> Path:
    """A file with this text, or with this value as JSON."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(path: Path, as_of: datetime = AS_OF, **declared: Any) -> CandleFile:
    return read_candle_file(path, CandleFileDeclaration(**declared), as_of=as_of)


def minutes_of(file: CandleFile) -> list[int]:
    """Opening minutes of the candles, counted from `START`."""
    return [int(row["ts"].timestamp() - START) // 60 for row in file.candles.to_pylist()]


def facts_of(file: CandleFile) -> tuple[str, str, str]:
    """Resolution, price unit and volume unit as stored."""
    named = {key.decode(): value.decode() for key, value in (file.candles.schema.metadata or {}).items()}
    return named["resolution"], named["price_unit"], named["volume_unit"]
