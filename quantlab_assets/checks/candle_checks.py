"""The check of imported candle files: is every row of the file accounted for?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow.compute as pc

from quantlab_assets.artifact_asset import Step
from quantlab_assets.checks.blocking_checks import BlockingCheck, Finding
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE, IMPORTED_CANDLES
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

if TYPE_CHECKING:
    from quantlab_resources.candles.files.candle_file import CandleFileReport

_ROWS = "rows_in_file"
_LEFT_OUT = ("equal_duplicates", "open_candles", "empty_minutes")


def rows_preview(report: CandleFileReport) -> dict[str, Any]:
    """Where the rows of a file went, beside candles and quarantine: what the UI shows and the check counts."""
    counts = {_ROWS: report.rows, **{name: getattr(report, name) for name in _LEFT_OUT}}
    return {name: dg.MetadataValue.int(count) for name, count in counts.items()}


def _conserves_rows(_step: Step, drafts: Sequence[ArtifactDraft]) -> Finding:
    """Rows of the file = candles + rejected rows + equal duplicates + open candles + minutes without a trade."""
    by_type = {draft.spec.name: draft for draft in drafts}
    candles, quarantine = by_type[IMPORTED_CANDLES.name], by_type[CANDLES_QUARANTINE.name]
    if _ROWS not in candles.preview:
        return Finding(True, "the file was replaced by another and gives no candles")
    rejected = pc.count_distinct(quarantine.table["row_number"]).as_py()
    counts = {"candles": candles.table.num_rows, "rejected": rejected}
    counts |= {name: int(candles.preview[name].value) for name in _LEFT_OUT}
    rows, found = int(candles.preview[_ROWS].value), sum(counts.values())
    if rows == found:
        return Finding(True, f"all {rows:,} rows are accounted for", {"rows": rows, **counts})
    return Finding(
        False,
        f"of {rows:,} rows {found:,} are accounted for: a defect of quantlab, please report it",
        {"rows": rows, **counts},
    )


FILE_CHECKS = (
    BlockingCheck(
        "every_row_is_accounted_for",
        "Rows of the file = candles + rejected rows + equal duplicates + open candles + minutes without a trade.",
        _conserves_rows,
    ),
)
