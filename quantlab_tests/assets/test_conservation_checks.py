"""Checks of candle files and of coverage: nothing is lost on the way, and poor coverage is said aloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg

from quantlab_assets.checks.blocking_checks import Finding
from quantlab_assets.checks.candle_checks import FILE_CHECKS, rows_preview
from quantlab_assets.checks.coverage_checks import COVERAGE_CHECKS
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE, IMPORTED_CANDLES
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.candle_file import read_candle_file
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_tests.assets.small_inputs import minutes, write_candles
from quantlab_tests.assets.small_research import OWL, small_research
from quantlab_tests.core.alerts.invented_chat import NOON


def judged(drafts: Sequence[ArtifactDraft], check: str) -> Finding:
    (found,) = [one for one in (*FILE_CHECKS, *COVERAGE_CHECKS) if one.name == check]
    return found.judge(None, drafts)  # type: ignore[arg-type] - these judge the drafts alone


def test_a_row_of_a_candle_file_that_went_nowhere_blocks_the_file(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "candles.csv", {OWL: minutes([1.0] * 30)})
    lines = path.read_text("utf-8").splitlines()
    broken = lines[5].replace(",1.0,1.0,1.0,1.0,", ",1.0,0.5,1.0,1.0,")
    path.write_text("\n".join([*lines[:5], broken, *lines[6:], lines[7]]) + "\n", "utf-8")
    file = read_candle_file(path, CandleFileDeclaration(), as_of=NOON.replace(year=2026))
    candles = ArtifactDraft(IMPORTED_CANDLES, {"file": "f"}, file.candles, preview=rows_preview(file.report))
    quarantine = ArtifactDraft(CANDLES_QUARANTINE, {"file": "f"}, file.quarantine)
    sound = judged([candles, quarantine], "every_row_is_accounted_for")
    assert (sound.passed, sound.description) == (True, "all 31 rows are accounted for")
    assert (sound.facts["candles"], sound.facts["rejected"], sound.facts["equal_duplicates"]) == (29, 1, 1)
    for lossy in (
        [replace(candles, table=candles.table.slice(1)), quarantine],
        [candles, replace(quarantine, table=quarantine.table.slice(1))],
    ):
        lost = judged(lossy, "every_row_is_accounted_for")
        assert (lost.passed, lost.description.partition(":")[0]) == (False, "of 31 rows 30 are accounted for")


def test_coverage_that_loses_an_alert_is_blocked_and_poor_coverage_is_warned_of(tmp_path: Path) -> None:
    with small_research(tmp_path) as runs:
        store = runs.lab.artifacts
        drafts = {
            spec.name: ArtifactDraft(
                spec,
                {"selection": CURRENT},
                store.read(store.heads(spec.name)[0].artifact_id),
            )
            for spec in (ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY)
        }
        key = dg.AssetCheckKey(dg.AssetKey("alert_forward_coverage"), "alerts_are_covered")
        (shown,) = runs.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert shown.event is not None, "the commands' own runs put it on record"
    sound = judged(list(drafts.values()), "every_alert_is_measured")
    assert (sound.passed, sound.facts["alerts"], sound.facts["rows"]) == (True, 4, 20)
    forward = drafts[ALERT_FORWARD_COVERAGE.name]
    for lossy in (forward.table.slice(1), forward.table.slice(5)):
        without = [*drafts.values(), replace(forward, table=lossy)][1:]
        assert not judged(without, "every_alert_is_measured").passed
    poor = judged(list(drafts.values()), "alerts_are_covered")
    assert (poor.passed, poor.is_warning) == (True, True), "nobody has candles of the fourth token"
    assert poor.facts["percent_spanned_1h"] == 75
    lenient = with_attributes(forward.table, {"good": "0.5", "partial": "0.2"})
    assert not judged([replace(forward, table=lenient)], "alerts_are_covered").is_warning
