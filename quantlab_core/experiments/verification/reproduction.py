"""The verdict on an experiment that was run again: what is identical, what differs, and what nobody looked at.

A verdict claims what was compared and no more. What could not be run again is not checked, and says why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.table_difference import RowDifference, TableDifference, table_difference
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.verification.artifact_types import EXPERIMENT_REPRODUCTION

DEFAULT_TOLERANCE = 1e-9
"""Relative difference of two floats that counts as equal: rounding in another order, never another trade."""


class OutputVerdict(StrEnum):
    """How an output that came out again compares with the one on record; the first that holds."""

    IDENTICAL_BYTES = "identical_bytes"
    IDENTICAL_CONTENT = "identical_content"
    EQUAL_WITHIN = "equal_within"
    DIFFERENT = "different"
    NOT_CHECKED = "not_checked"


REPRODUCED = frozenset({OutputVerdict.IDENTICAL_BYTES, OutputVerdict.IDENTICAL_CONTENT, OutputVerdict.EQUAL_WITHIN})
"""Verdicts under which an output counts as reproduced."""


@dataclass(frozen=True, slots=True)
class ReproducedOutput:
    """One output of the second run: its table in normal form, its content hash, and the hash of its Parquet bytes."""

    spec: ArtifactType
    table: pa.Table
    content_hash: str
    file_hash: str


@dataclass(frozen=True, slots=True)
class OutputComparison:
    """The verdict on one output. Hashes are as the manifest writes them; ``difference`` is there where rows were
    compared."""

    name: str
    verdict: OutputVerdict
    message: str
    recorded_file_hash: str
    recorded_content_hash: str
    file_hash: str | None = None
    content_hash: str | None = None
    difference: TableDifference | None = None


@dataclass(frozen=True, slots=True)
class InputState:
    """One frozen input: ``state`` is whole, superseded, withdrawn, damaged, missing, changed or unreadable."""

    artifact_id: str
    state: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class SurroundingFact:
    """One fact of code or environment, as recorded and as it is now; None where it is not known."""

    name: str
    recorded: str | None
    present: str | None

    @property
    def verdict(self) -> str:
        """``same``, ``differs`` or ``not_recorded``."""
        if self.recorded is None:
            return "not_recorded"
        return "same" if self.recorded == self.present else "differs"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """All that was found. ``inputs`` lists those that are not whole and current, and one line for all the others;
    ``unchecked`` are sentences by topic."""

    experiment_id: str
    tolerance: float
    outputs: tuple[OutputComparison, ...]
    inputs: tuple[InputState, ...]
    surroundings: tuple[SurroundingFact, ...]
    unchecked: Mapping[str, str]

    @property
    def is_reproduced(self) -> bool:
        """Whether every output came out again, to the byte, to the bit, or within the tolerance."""
        return bool(self.outputs) and all(output.verdict in REPRODUCED for output in self.outputs)


def compared_output(
    name: str,
    recorded: Artifact,
    recorded_table: pa.Table | str,
    reproduced: ReproducedOutput,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
) -> OutputComparison:
    """Compare an output with the artifact on record.

    ``recorded_table`` is only looked at where the hashes differ; a text in its place says why it cannot be read.
    """
    hashes = (recorded.file_hash, recorded.content_hash, reproduced.file_hash, reproduced.content_hash)
    if recorded.content_hash == reproduced.content_hash:
        if recorded.file_hash == reproduced.file_hash:
            text = f"every byte of {reproduced.table.num_rows} rows is as recorded"
            return OutputComparison(name, OutputVerdict.IDENTICAL_BYTES, text, *hashes)
        text = "every value is as recorded; the Parquet file is encoded otherwise"
        return OutputComparison(name, OutputVerdict.IDENTICAL_CONTENT, text, *hashes)
    if isinstance(recorded_table, str):
        text = f"the content is another, and what is on record cannot be read to say where: {recorded_table}"
        return OutputComparison(name, OutputVerdict.DIFFERENT, text, *hashes)
    if recorded_table.schema.names != reproduced.table.schema.names:
        text = f"the record has the columns of version {recorded.schema_version}, which this code no longer writes"
        return OutputComparison(name, OutputVerdict.DIFFERENT, text, *hashes)
    difference = table_difference(recorded_table, reproduced.table, reproduced.spec, tolerance=tolerance)
    if difference.n_rows == 0:
        text = f"floats differ by at most {difference.largest:.3g} relative, everything else is as recorded"
        return OutputComparison(name, OutputVerdict.EQUAL_WITHIN, text, *hashes, difference)
    text = (
        f"{difference.n_rows} rows differ: {difference.n_changed} changed, {difference.n_only_one} only on record, "
        f"{difference.n_only_other} only now"
    )
    return OutputComparison(name, OutputVerdict.DIFFERENT, text, *hashes, difference)


def unchecked_output(name: str, recorded: Artifact, reason: str) -> OutputComparison:
    """The verdict on an output that nothing was compared with."""
    return OutputComparison(name, OutputVerdict.NOT_CHECKED, reason, recorded.file_hash, recorded.content_hash)


def check_tolerance(tolerance: float) -> float:
    """The tolerance, from 0 (no difference at all) to below 1. Raises InvalidInputError."""
    if not 0.0 <= tolerance < 1.0:
        raise InvalidInputError(f"tolerance {tolerance:g} is no relative difference; expected 0 or more, below 1")
    return tolerance


def surrounding_facts(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[SurroundingFact, ...]:
    """The facts of two provenance documents, flattened to dotted names; facts that neither knows are left out."""
    one, other = _flat(recorded), _flat(present)
    return tuple(SurroundingFact(name, one.get(name), other.get(name)) for name in sorted(one.keys() | other.keys()))


def reproduction_table(found: Reproduction) -> pa.Table:
    """The rows of `EXPERIMENT_REPRODUCTION`."""
    rows: list[dict[str, Any]] = []
    for output in found.outputs:
        rows.append(_output_row(output, found.tolerance))
        rows.extend(_difference_row(output.name, row) for row in (output.difference.rows if output.difference else ()))
    rows.extend(
        {"kind": "input", "name": state.artifact_id, "verdict": state.state, "message": state.message}
        for state in found.inputs
    )
    rows.extend(
        {
            "kind": "surroundings",
            "name": fact.name,
            "verdict": fact.verdict,
            "recorded": fact.recorded,
            "reproduced": fact.present,
        }
        for fact in found.surroundings
    )
    rows.extend(
        {"kind": "unchecked", "name": name, "verdict": "not_checked", "message": message}
        for name, message in found.unchecked.items()
    )
    return pa.Table.from_pylist(
        [{"ordinal": ordinal, **row} for ordinal, row in enumerate(rows)], schema=EXPERIMENT_REPRODUCTION.schema
    )


def _output_row(output: OutputComparison, tolerance: float) -> dict[str, Any]:
    is_bytes = output.verdict is OutputVerdict.IDENTICAL_BYTES
    difference = output.difference
    return {
        "kind": "output",
        "name": output.name,
        "verdict": str(output.verdict),
        "recorded": output.recorded_file_hash if is_bytes else output.recorded_content_hash,
        "reproduced": output.file_hash if is_bytes else output.content_hash,
        "rows_different": None if difference is None else difference.n_rows,
        "largest_difference": None if difference is None else difference.largest,
        "tolerance": None if difference is None else tolerance,
        "message": output.message,
    }


def _difference_row(name: str, row: RowDifference) -> dict[str, Any]:
    verdict = "only_reproduced" if row.one is None else "only_recorded" if row.other is None else "changed"
    return {
        "kind": "difference",
        "name": name,
        "verdict": verdict,
        "row_key": json_text(row.key),
        "recorded": None if row.one is None else json_text(row.one),
        "reproduced": None if row.other is None else json_text(row.other),
    }


def json_text(row: Mapping[str, Any]) -> str:
    """A row's values as JSON: times as ISO 8601, numbers to the last digit, those that JSON has not as words."""
    return json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            facts |= _flat(value, f"{prefix}{name}.")
        else:
            facts[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return facts


def whole_inputs(states: Sequence[InputState]) -> str:
    """One sentence on how many inputs were read and are what was frozen."""
    n_superseded = sum(state.state == "superseded" for state in states)
    n_whole = n_superseded + sum(state.state == "whole" for state in states)
    superseded = f", {n_superseded} of them superseded since" if n_superseded else ""
    return f"{n_whole} of {len(states)} frozen inputs hold the recorded bytes{superseded}"
