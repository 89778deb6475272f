"""A declaration of a candle file as plain text values, for run config and provenance, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from quantlab_core.artifacts.timestamp_text import format_timestamp, parse_timestamp
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration


def declaration_to_config(declaration: CandleFileDeclaration) -> dict[str, Any]:
    """The declared values as JSON-able ones; what was left at its default is left out."""
    defaults = asdict(CandleFileDeclaration())
    return {
        name: format_timestamp(value) if isinstance(value, datetime) else value
        for name, value in asdict(declaration).items()
        if value != defaults[name]
    }


def declaration_from_config(config: Mapping[str, Any]) -> CandleFileDeclaration:
    """The inverse of `declaration_to_config`. Raises CandleFileError for a name that no declaration has."""
    known = {field.name for field in fields(CandleFileDeclaration)}
    unknown = sorted(set(config) - known)
    if unknown:
        raise CandleFileError(f"a candle file has no declaration {unknown[0]!r}; there are {', '.join(sorted(known))}")
    values: dict[str, Any] = {
        name: parse_timestamp(value) if name in {"span_from", "span_to", "fetched_at"} else value
        for name, value in config.items()
    }
    return CandleFileDeclaration(**values)
