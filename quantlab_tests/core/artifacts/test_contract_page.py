"""The page of data contracts says what the artifact types say, and is the file in docs/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column
from quantlab_core.artifacts.contract_page import render_contracts
from quantlab_core.artifacts.logical_key import format_key, key_template
from quantlab_core.artifacts.registry import ARTIFACT_TYPES

PAGE = Path(__file__).parents[3] / "docs" / "data-contracts.md"

SIGHTINGS = ArtifactType(
    name="sightings_v1",
    version=4,
    doc="Birds seen under <place>.",
    schema=pa.schema(
        [
            column("seen_ts", UTC_TIMESTAMP, "when it was seen (UTC)"),
            column("names", pa.list_(pa.string()), "common | Latin", nullable=True),
        ]
    ),
    sort_key=("seen_ts",),
    unique_key=("seen_ts", "names"),
    key_parts=("place", "year", "observer"),
    optional_key_parts=frozenset({"year"}),
    key_suffix="birds",
    asset={"lake": "lake_birds", "wood": "wood_birds"},
    time_column="seen_ts",
    attributes={"weather": "as the observer put it"},
)


def test_the_page_on_disk_is_what_the_types_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_contracts(ARTIFACT_TYPES), "stale: run `make docs`"


def test_a_type_is_rendered_with_all_that_a_reader_needs() -> None:
    section = render_contracts([SIGHTINGS]).partition("### ")[2]
    assert section == (
        "sightings_v1, version 4\n\n"
        "Birds seen under \\<place>.\n\n"
        "- asset: `lake_birds` for `place=lake`, `wood_birds` for `place=wood`\n"
        "- logical key: `place=<place>[/year=<year>]/observer=<observer>/birds`\n"
        "- sort key: `seen_ts`\n"
        "- unique key: `seen_ts`, `names`\n"
        "- time column: `seen_ts`\n\n"
        "| attribute | meaning |\n|---|---|\n"
        "| `weather` | as the observer put it |\n\n"
        "| column | type | null | meaning |\n|---|---|---|---|\n"
        "| `seen_ts` | `timestamp[us, UTC]` |  | when it was seen (UTC) |\n"
        "| `names` | `list<string>` | yes | common \\| Latin |\n"
    )


@pytest.mark.parametrize("spec", ARTIFACT_TYPES, ids=lambda spec: spec.label)
def test_every_column_and_attribute_explains_itself(spec: ArtifactType) -> None:
    rows = [line for line in render_contracts([spec]).splitlines() if line.startswith("| `")]
    assert len(rows) == len(spec.schema) + len(spec.attributes)
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("spec", ARTIFACT_TYPES, ids=lambda spec: spec.label)
def test_the_key_template_is_the_grammar_with_optional_parts_in_brackets(spec: ArtifactType) -> None:
    template = key_template(spec)
    values = {name: name for name in spec.key_parts}
    if not isinstance(spec.asset, str):
        values[spec.key_parts[0]] = min(spec.asset)
    needed = {name: value for name, value in values.items() if name not in spec.optional_key_parts}
    longest = template.replace("[", "").replace("]", "")
    shortest = "".join(piece.rpartition("]")[2] for piece in template.split("["))
    assert format_key(spec, values) == _filled(longest, values)
    assert format_key(spec, needed) == _filled(shortest, needed)


def _filled(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"<{name}>", value)
    return template


@pytest.mark.parametrize("spec", ARTIFACT_TYPES, ids=lambda spec: spec.label)
def test_times_are_named_as_times(spec: ArtifactType) -> None:
    times = [field.name for field in spec.schema if pa.types.is_timestamp(field.type)]
    if not spec.is_lenient:  # the earlier store had names of its own
        assert [name for name in times if not (name in {"ts"} or name.endswith(("_ts", "_utc")))] == []
    assert spec.time_column is None or spec.time_column in times
