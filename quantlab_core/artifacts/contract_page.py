"""The page docs/data-contracts.md, rendered from the artifact types, so that what people read is what the store checks.

``docs/render_contracts.py`` writes it; a test holds the file to this rendering.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quantlab_core.artifacts.artifact_type import ArtifactType, description_of
from quantlab_core.artifacts.logical_key import MAX_KEY_LENGTH, MAX_VALUE_LENGTH, key_template
from quantlab_core.artifacts.logical_type import logical_type_name

_INTRODUCTION = f"""\
# Data contracts

Every table that quantlab stores is an artifact of a type. This page says what holds for all of them, then what each
type is. It is rendered from the types in `quantlab_core/*/artifact_types.py`; `make docs` refreshes it. The store
checks what is written here at every publish and refuses a table that differs.

## Names and versions

A type is a name and a schema version: `ohlcv_slice_v2`, version 3. A number at the end of a name is part of the name
and never changes; the schema version counts the schemas of that name. A schema, once used, never changes: another
schema is the next version, and artifacts of the old one stay as they are.

Types of the earlier store say so. They are lenient: a table under their name may have other columns, and is then stored
and read as it is. Where a type has an upcast, whoever reads it gets rows of the newest version
([adoption.md](adoption.md) says how). Version numbers that are not listed belong to the earlier store too.

A table of a type that is not listed can be published from outside. Its schema is inferred and recorded in its
sidecar, its rows keep their order, and no Dagster asset owns it.

## Logical keys

A logical key is the stable name under which content may change: `day=2025-05-01/chain=solana`. It is made of
`name=value` parts in the type's order, joined by `/`; parts in brackets may be left out; some keys end in a bare
word. A value has 1 to {MAX_VALUE_LENGTH} characters of `A-Z a-z 0-9 . _ : + -`, is not `.` or `..` and holds no
`...`. A key has at most {MAX_KEY_LENGTH:,} characters. Each key belongs to exactly one Dagster asset.

## Identity

`content_hash` is of the values of the table, `file_hash` of the bytes of its file, and `artifact_id` follows from
type, version, key and content hash. So the same content under the same key has the same id on every machine and in
every run. The definition with test vectors is in [content-identity.md](content-identity.md).

Attributes are text values that belong to the content although no row holds them. They are hashed, and are kept as
schema metadata of the table and in the footer of the file. Tags, parameters, inputs, the run and the time of a
publish are provenance: they are recorded and never hashed.

## Times

Times are instants in UTC, `timestamp[us, UTC]`. Their columns are named `ts`, or end in `_ts` or `_utc`. A time
without a zone is refused. The manifest's `min_ts` and `max_ts` are the limits of the type's time column, with
microseconds; `created_at` has milliseconds. Text forms end in `Z`.

## Rows

Rows are stored in the order of the sort key, then of what the unique key adds; ascending, nulls last. No two rows
have the same unique key. A column holds nulls only where the table below says yes.

## Publishing the same and publishing anew

Content is looked for per type, version and key. Known content is not written again: the publish is recorded, and the
artifact that is there is returned. Equal content under two keys is two artifacts.

A key has at most one head, its current artifact. New content under a key becomes the head and supersedes the old one,
which stays readable, traceable and pinned wherever it was used. Superseded content that is published again becomes
the head again. A tombstoned artifact is no head, and its content is refused unless its revival is asked for. How all
of this survives crashes and crowds is
in [reliability.md](reliability.md).
"""


def render_contracts(types: Sequence[ArtifactType]) -> str:
    """The whole page as Markdown, ``types`` in the given order."""
    return "\n".join([_INTRODUCTION, "## Types\n", _overview(types), *map(_section, types)])


def _overview(types: Iterable[ArtifactType]) -> str:
    return _table(
        ("type", "version", "logical key"),
        ((f"[`{spec.name}`](#{_anchor(spec)})", str(spec.version), f"`{key_template(spec)}`") for spec in types),
    )


def _section(spec: ArtifactType) -> str:
    facts = [
        ("asset", _owners(spec)),
        ("logical key", f"`{key_template(spec)}`"),
        ("sort key", _names(spec.sort_key)),
        ("unique key", _names(spec.unique_key)),
        ("time column", _names([spec.time_column] if spec.time_column else [])),
        ("append-only", "a key takes one content; other content under it is refused" if spec.append_only else ""),
        ("NaN is stored as null", _names(sorted(spec.nan_is_null))),
        ("of the earlier store", _leniency(spec)),
    ]
    listed = "".join(f"- {name}: {text}\n" for name, text in facts if text)
    parts = [f"### {_title(spec)}\n", f"{_prose(spec.doc)}\n", listed]
    if spec.attributes:
        meanings = ((f"`{name}`", _prose(meaning)) for name, meaning in spec.attributes.items())
        parts.append(_table(("attribute", "meaning"), meanings))
    parts.append(
        _table(
            ("column", "type", "null", "meaning"),
            (
                (
                    f"`{column.name}`",
                    f"`{logical_type_name(column.type)}`",
                    "yes" if column.nullable else "",
                    _prose(description_of(column)),
                )
                for column in spec.schema
            ),
        )
    )
    return "\n".join(parts)


def _title(spec: ArtifactType) -> str:
    return f"{spec.name}, version {spec.version}"


def _anchor(spec: ArtifactType) -> str:
    """As GitHub and most renderers make it from the heading."""
    return _title(spec).lower().replace(",", "").replace(" ", "-")


def _owners(spec: ArtifactType) -> str:
    if isinstance(spec.asset, str):
        return f"`{spec.asset}`"
    part = spec.key_parts[0]
    return ", ".join(f"`{asset}` for `{part}={value}`" for value, asset in spec.asset.items())


def _leniency(spec: ArtifactType) -> str:
    if not spec.is_lenient:
        return ""
    return "lenient" if spec.upcast is None else f"lenient, read as version {spec.version + 1}"


def _prose(text: str) -> str:
    """``text`` as it stands: no part of it is taken for HTML."""
    return text.replace("<", "\\<")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(header), "|" + "---|" * len(header), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
