"""``quantlab lake status``: one screen that says how the lake stands and what to do about it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.tables import Column, Format, format_option, number_of, show_json, show_rows, shown, size_text

if TYPE_CHECKING:
    from quantlab_resources.artifacts.upkeep.lake_status import LakeStatus, TypeStatus

WIDTH = 100
"""The screen that a status fits on, in columns; the demo's needs 40 lines."""

COLUMNS = (
    Column("artifactType", "type", shrinks=True),
    Column("artifacts", "all", is_number=True),
    Column("heads", "heads", is_number=True),
    Column("replaced", "replaced", is_number=True),
    Column("stale", "stale", is_number=True),
    Column("rows", "rows", is_number=True),
    Column("size", "size", is_number=True),
    Column("first", "first day"),
    Column("last", "last day"),
)
CSV_FIELDS = (
    *("artifactType", "artifacts", "active", "superseded", "tombstoned", "heads", "stale", "rows", "bytes"),
    *("minTs", "maxTs"),
)


@lake.command("status")
@format_option
@click.pass_obj
def status(invocation: Invocation, output_format: Format) -> None:
    """Show what the lake holds, what it takes up, and what is damaged, stale or left over."""
    from quantlab_resources.artifacts.upkeep.lake_status import lake_status
    from quantlab_resources.lab import Lab

    found = lake_status(Lab(invocation.home).artifacts)
    by_type = [_type_json(found, of_type) for of_type in (found.manifest.types if found.manifest else ())]
    if output_format == "json":
        show_json(_json(found, by_type))
    elif output_format == "csv":
        show_rows(by_type, [Column(key, key) for key in CSV_FIELDS], output_format, nothing="")
    else:
        for name, text in {"home": found.home, **_facts(found)}.items():
            if text is not None:
                click.echo(f"{name:<15}{shown(text)}")
        _show_disks(found)
        if found.manifest is not None:
            click.echo()
            rows = [row | _of_a_table(row) for row in by_type]
            show_rows(rows, COLUMNS, "table", nothing="no artifacts yet; `quantlab demo` makes some")


def _facts(found: LakeStatus) -> dict[str, Any]:
    return {
        "manifest": _manifest_text(found),
        "holds": _holds_text(found),
        "experiments": _experiments_text(found),
        "files": _files_text(found),
        "verified": _verified_text(found),
        "stale": _stale_text(found),
        "left over": _leftovers_text(found),
        "earlier store": _not_adopted_text(found),
    }


def _manifest_text(found: LakeStatus) -> str | None:
    if found.problem is not None or found.manifest is None:
        return found.problem
    return f"whole at a first look, schema {found.manifest.schema_version}, {found.manifest.last_sequence:,} changes"


def _holds_text(found: LakeStatus) -> str | None:
    if found.manifest is None:
        return None
    types = found.manifest.types
    total = sum(one.active + one.superseded + one.tombstoned for one in types)
    return (
        f"{number_of(total, 'artifact')}, {number_of(sum(one.heads for one in types), 'head')},"
        f" {number_of(sum(one.rows for one in types), 'row')}, {size_text(sum(one.byte_size for one in types))}"
    )


def _experiments_text(found: LakeStatus) -> str | None:
    if found.manifest is None:
        return None
    return ", ".join(f"{number:,} {state}" for state, number in found.manifest.experiments.items()) or "none"


def _files_text(found: LakeStatus) -> str | None:
    files = found.files
    if files is None:
        return None
    if files.is_whole:
        return f"all {files.registered:,} there, tables of the recorded size" if files.registered else "none"
    names = shown(files.examples[0])
    return (
        f"{files.missing:,} of {files.registered:,} missing, {files.of_other_size:,} of another size (first: {names});"
        " `quantlab lake verify` says what rests on them"
    )


def _verified_text(found: LakeStatus) -> str:
    known = found.verification
    if known is None:
        return "never; `quantlab lake verify` reads every byte"
    run = known.newest
    part = "the whole lake" if run.parts == 1 else f"part {run.part} of {run.parts}"
    if run.parts > 1 and not any(other.parts == 1 for other in known.runs):
        never = run.parts - len({other.part for other in known.runs if other.parts == run.parts})
        part += f" ({never} never)" if never else ""
    what = f"{run.at[:16]} UTC, {part}{', deep' if run.is_deep else ''}, {size_text(run.bytes_checked)}"
    damage = f"{number_of(known.problem_count, 'file')} damaged; `quantlab lake verify` lists them"
    return f"{what}: {damage if known.problem_count else 'nothing damaged'}"


def _stale_text(found: LakeStatus) -> str | None:
    if found.stale is None:
        return None
    number = sum(found.stale.artifacts.values())
    if not (number or found.stale.experiments):
        return "nothing"
    what = f"{number_of(number, 'artifact')}, {number_of(found.stale.experiments, 'experiment')}"
    return f"{what}; `quantlab lake stale` says why"


def _leftovers_text(found: LakeStatus) -> str:
    orphans = found.files.orphans if found.files else 0
    texts = []
    if found.staging_files or orphans:
        parts = [f"{number_of(found.staging_files, 'staging file')}"] * bool(found.staging_files)
        parts += [f"{number_of(orphans, 'file')} that no row names"] * bool(orphans)
        texts.append(f"{', '.join(parts)} (`quantlab lake recover`)")
    if found.quarantined:
        texts.append(f"{number_of(found.quarantined, 'file')} in quarantine")
    return "; ".join(texts) or "nothing"


def _not_adopted_text(found: LakeStatus) -> str | None:
    number = found.manifest.not_adopted if found.manifest else 0
    return f"{number_of(number, 'row')} not adopted yet; `quantlab lake recover` adopts" if number else None


def _show_disks(found: LakeStatus) -> None:
    """One paragraph per file system: what the lake takes there, what is free, the parts by size."""
    sizes = {part.name: part.byte_size for part in found.parts}
    for disk in found.disks:
        by_size = sorted((part for part in disk.parts if sizes[part]), key=lambda part: -sizes[part])
        text = (
            f"{size_text(disk.byte_size)} here, {size_text(disk.free)} of {size_text(disk.total)} free: "
            + ", ".join(f"{part} {size_text(sizes[part])}" for part in by_size)
        )
        click.echo(textwrap.fill(text, WIDTH, initial_indent=f"{'disk':<15}", subsequent_indent=" " * 15))


def _type_json(found: LakeStatus, of_type: TypeStatus) -> dict[str, Any]:
    stale = 0 if found.stale is None else found.stale.artifacts.get(of_type.artifact_type, 0)
    return {
        "artifactType": of_type.artifact_type,
        "artifacts": of_type.active + of_type.superseded + of_type.tombstoned,
        "active": of_type.active,
        "superseded": of_type.superseded,
        "tombstoned": of_type.tombstoned,
        "heads": of_type.heads,
        "stale": stale,
        "rows": of_type.rows,
        "bytes": of_type.byte_size,
        "minTs": of_type.first_ts,
        "maxTs": of_type.last_ts,
    }


def _of_a_table(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "replaced": row["superseded"] + row["tombstoned"],
        "size": size_text(row["bytes"]),
        "first": (row["minTs"] or "-")[:10],
        "last": (row["maxTs"] or "-")[:10],
    }


def _json(found: LakeStatus, by_type: list[dict[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {"home": str(found.home)}
    if found.problem is not None:
        document["problem"] = found.problem
    if found.manifest is not None:
        document |= {
            "schemaVersion": found.manifest.schema_version,
            "lastSequence": found.manifest.last_sequence,
            "types": by_type,
            "experiments": dict(found.manifest.experiments),
            "notAdopted": found.manifest.not_adopted,
        }
    if found.files is not None:
        document["files"] = {
            "registered": found.files.registered,
            "missing": found.files.missing,
            "ofOtherSize": found.files.of_other_size,
            "orphans": found.files.orphans,
            "examples": list(found.files.examples),
        }
    if found.stale is not None:
        document["stale"] = {"artifacts": dict(found.stale.artifacts), "experiments": found.stale.experiments}
    if found.verification is not None:
        run = found.verification.newest
        document["lastVerification"] = {
            "at": run.at,
            "subset": f"{run.part}/{run.parts}",
            "deep": run.is_deep,
            "artifactsChecked": run.artifacts_checked,
            "bytesChecked": run.bytes_checked,
            "problems": found.verification.problem_count,
        }
    return document | {
        "stagingFiles": found.staging_files,
        "quarantinedFiles": found.quarantined,
        "parts": [{"part": part.name, "bytes": part.byte_size, "path": part.path} for part in found.parts],
        "disks": [
            {"parts": list(disk.parts), "bytes": disk.byte_size, "free": disk.free, "total": disk.total}
            for disk in found.disks
        ],
    }
