"""The asset of imported candle files: a file's valid candles and its rejected rows, or nothing once it is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from quantlab_assets.artifact_asset import Step, artifact_asset
from quantlab_assets.checks.candle_checks import FILE_CHECKS, rows_preview
from quantlab_assets.partitions import CANDLE_FILES
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE, IMPORTED_CANDLES
from quantlab_core.errors import NotFoundError
from quantlab_resources.candles.files.declaration_config import declaration_from_config
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.lab import Lab

DECLARATION = "declaration"
REPLACED_BY = "replaced_by"


@artifact_asset(
    name="imported_candles",
    specs=[IMPORTED_CANDLES, CANDLES_QUARANTINE],
    group="ohlcv",
    code_version="2",
    deps=["candle_files"],
    partitions_def=CANDLE_FILES,
    checks=FILE_CHECKS,
    config_schema={
        DECLARATION: dg.Field(dg.Permissive({}), is_required=False),
        REPLACED_BY: dg.Field(str, is_required=False),
    },
)
def imported_candles(step: Step) -> Iterator[ArtifactDraft]:
    """Read from the archived file of this partition; what the file does not name comes from the run's declaration.

    A run that says nothing repeats what the last import of the file said. A file that was replaced has no candles.
    """
    # Readers are imported by the step that uses them: definitions load without them.
    from quantlab_resources.candles.files.candle_file import read_candle_file

    said = step.config or last_import(step.lab, step.key)
    if REPLACED_BY in said:
        yield from _replaced(step, said[REPLACED_BY])
        return
    raw = step.raw_file("candle_file")
    declared = said.get(DECLARATION, {})
    file = read_candle_file(
        raw.path,
        declaration_from_config(declared),
        # The last candle of a file stays unfinished for ever, so "closed" is judged at the time the file came in.
        as_of=parse_timestamp(raw.artifact.created_at),
    )
    inputs, params = [raw.artifact.artifact_id], {DECLARATION: declared}
    preview = rows_preview(file.report)
    yield ArtifactDraft(IMPORTED_CANDLES, {"file": step.key}, file.candles, inputs, params=params, preview=preview)
    yield ArtifactDraft(CANDLES_QUARANTINE, {"file": step.key}, file.quarantine, inputs, params=params)


def last_import(lab: Lab, file: str) -> Mapping[str, Any]:
    """What the last import of this file was told: its declaration, or by which file it was replaced; else nothing."""
    for head in lab.artifacts.heads(IMPORTED_CANDLES.name, f"file={file}"):
        told = lab.artifacts.publications(head.artifact_id)[-1].params
        return {name: told[name] for name in (DECLARATION, REPLACED_BY) if name in told}
    return {}


def _replaced(step: Step, successor: str) -> Iterator[ArtifactDraft]:
    """No candles in place of the file's, because of its successor; its rejected rows stay on record."""
    inputs = [step.raw_file("candle_file").artifact.artifact_id]
    inputs.append(_head(step.lab, IMPORTED_CANDLES.name, successor).artifact_id)
    step.note_read(inputs[-1])
    for spec in (IMPORTED_CANDLES, CANDLES_QUARANTINE):
        before = _head(step.lab, spec.name, step.key)
        table = step.lab.artifacts.read(before.artifact_id)
        yield ArtifactDraft(
            spec,
            {"file": step.key},
            table.slice(0, 0) if spec is IMPORTED_CANDLES else table,
            inputs=inputs,
            params={REPLACED_BY: successor},
        )


def _head(lab: Lab, artifact_type: str, file: str) -> Artifact:
    found = lab.artifacts.heads(artifact_type, f"file={file}")
    if len(found) != 1:
        raise NotFoundError(f"{artifact_type} of file {file} not found in the lake; import the file first")
    return found[0]
