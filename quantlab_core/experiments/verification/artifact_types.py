"""Artifact types of what was found when an experiment was checked: its reproduction, and its look-ahead audit."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column

EXPERIMENT_REPRODUCTION = ArtifactType(
    name="experiment_reproduction_v1",
    version=1,
    doc="What came out when the experiment was run again: a verdict per output, on inputs and surroundings, and what differs.",
    schema=pa.schema(
        [
            column("ordinal", pa.int32(), "order of the entries"),
            column("kind", pa.string(), "output, difference, input, surroundings or unchecked"),
            column("name", pa.string(), "the output, the input's artifact id, the fact, or what was not checked"),
            column(
                "verdict",
                pa.string(),
                "output: identical_bytes, identical_content, equal_within, different or not_checked; input: whole, superseded, withdrawn, damaged, missing, changed or unreadable; surroundings: same, differs or not_recorded; difference: changed, only_recorded or only_reproduced; unchecked: not_checked",
            ),
            column("row_key", pa.string(), "key of the row that differs, as JSON", nullable=True),
            column(
                "recorded",
                pa.string(),
                "what is on record: a hash, a fact, or the differing values as JSON",
                nullable=True,
            ),
            column("reproduced", pa.string(), "what came out now, likewise", nullable=True),
            column("rows_different", pa.int64(), "rows of the output that differ", nullable=True),
            column(
                "largest_difference",
                pa.float64(),
                "largest relative difference of numbers that were compared",
                nullable=True,
            ),
            column("tolerance", pa.float64(), "relative difference that counts as equal", nullable=True),
            column("message", pa.string(), "one sentence", nullable=True),
        ]
    ),
    sort_key=("ordinal",),
    unique_key=("ordinal",),
    key_parts=("experiment",),
    key_suffix="reproduction",
    asset="reproductions",
    partition="experiment",
)

LOOKAHEAD_AUDIT = ArtifactType(
    name="lookahead_audit_v1",
    version=1,
    doc="Whether the trades of an experiment rest on what was known: a row per engine and check, and one per failure.",
    schema=pa.schema(
        [
            column("ordinal", pa.int32(), "order of the entries"),
            column("kind", pa.string(), "sample, check or failure"),
            column(
                "engine",
                pa.string(),
                "compiled, sweep or reference; selection for the choice of alerts, sample for what was looked at",
            ),
            column("check", pa.string(), "name of the check; see docs/experiments.md"),
            column("n_checked", pa.int64(), "comparisons made", nullable=True),
            column("n_failed", pa.int64(), "comparisons that failed", nullable=True),
            column("alert_id", pa.string(), "the alert whose trade failed", nullable=True),
            column("tau_ts", UTC_TIMESTAMP, "instant after which the future was cut or changed (UTC)", nullable=True),
            column("message", pa.string(), "what was checked, or what is wrong", nullable=True),
        ]
    ),
    sort_key=("ordinal",),
    unique_key=("ordinal",),
    key_parts=("experiment",),
    key_suffix="lookahead_audit",
    asset="lookahead_audits",
    partition="experiment",
)

VERIFICATION_TYPES = (EXPERIMENT_REPRODUCTION, LOOKAHEAD_AUDIT)
