"""A picture among what Dagster's UI shows of an asset: a PNG within Markdown, since metadata knows no pictures."""

from __future__ import annotations

import base64
from typing import Any

import dagster as dg


def picture_preview(name: str, title: str, png: bytes) -> dict[str, Any]:
    """The picture under ``name``; nothing where ``png`` is empty, for there was nothing to draw then."""
    if not png:
        return {}
    encoded = base64.b64encode(png).decode()
    return {name: dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")}
