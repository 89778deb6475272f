"""Small files as they come in: exports of an invented chat and CSV files of candles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import Artifact, ArtifactFilter
from quantlab_tests.core.alerts.invented_chat import CHAT, NOON

DAY_S = 86_400
FIRST, SECOND, THIRD = "2025-05-01", "2025-05-02", "2025-05-03"


def write_export(path: Path, *messages: dict[str, Any]) -> Path:
    """A single-chat export of these messages (see `invented_chat.exported`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"name": CHAT.name, "type": CHAT.type, "id": CHAT.chat_id, "messages": list(messages)}
    path.write_text(json.dumps(document, indent=1), "utf-8")
    return path


def minutes(closes: Sequence[float], *, start: datetime = NOON) -> list[tuple[datetime, float, float, float, float]]:
    """One candle a minute from ``start``: opens where the last one closed, high and low are the ends."""
    opens = [closes[0], *closes[:-1]]
    return [
        (start + timedelta(minutes=minute), open_, max(open_, close), min(open_, close), close)
        for minute, (open_, close) in enumerate(zip(opens, closes, strict=True))
    ]


def write_candles(path: Path, candles_of: dict[str, list[tuple[datetime, float, float, float, float]]]) -> Path:
    """A CSV file of Solana candles by token."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["token_address,chain,timestamp,open,high,low,close,volume"]
    for token, candles in candles_of.items():
        for ts, open_, high, low, close in candles:
            lines.append(f"{token},solana,{int(ts.astimezone(UTC).timestamp())},{open_},{high},{low},{close},10")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def artifacts(runs: LakeRuns) -> dict[str, Artifact]:
    """Every artifact of the lake by id, superseded ones too."""
    found = runs.lab.artifacts.list_artifacts(ArtifactFilter(limit=None)).artifacts
    return {artifact.artifact_id: artifact for artifact in found}


def added(runs: LakeRuns, before: dict[str, Artifact]) -> set[tuple[str, str]]:
    """(artifact type, logical key) of what came to the lake since ``before``, keys without hashes of files."""
    return {
        (artifact.artifact_type, artifact.logical_key)
        for artifact_id, artifact in artifacts(runs).items()
        if artifact_id not in before
    }


def heads(runs: LakeRuns, artifact_type: str) -> dict[str, Artifact]:
    """Logical key → current artifact."""
    return {head.logical_key: head for head in runs.lab.artifacts.heads(artifact_type)}


def rows(runs: LakeRuns, artifact_type: str) -> list[dict[str, Any]]:
    """All rows of the current artifacts of a type, in order of their keys."""
    store = runs.lab.artifacts
    return [row for head in store.heads(artifact_type) for row in store.read(head.artifact_id).to_pylist()]


def is_untouched(runs: LakeRuns, before: dict[str, Artifact]) -> bool:
    """Whether the lake holds exactly what it held, and nothing lies about that no row names."""
    names = {Path(path) for a in artifacts(runs).values() for path in (a.path_parquet, a.path_sidecar)}
    lying = set(runs.lab.paths.artifacts_root.rglob("*.parquet")) - names
    return artifacts(runs) == before and not lying
