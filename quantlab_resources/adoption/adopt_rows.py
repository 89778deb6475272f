"""Taking over artifacts of the earlier store row by row: examined first, then recorded, some hundred a transaction.

An adoption that was interrupted goes on where it stopped, and one that is repeated finds nothing to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import apsw

from quantlab_resources.adoption.adopted_heads import choose_heads, keys_with_several_active, keys_without_head
from quantlab_resources.adoption.adoption_report import AdoptionReport, DoubtfulArtifact
from quantlab_resources.adoption.earlier_rows import EarlierRow, RefusedRow, lineage_edges, read_row
from quantlab_resources.adoption.earlier_source import EarlierSource, RowsInPlace
from quantlab_resources.adoption.examination import CONFIRMED, UNCONFIRMED, UNREADABLE, Examination, examine
from quantlab_resources.adoption.lineage_order import inputs_first
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.adoption_rows import Adoption, record_adoption
from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

Progress = Callable[[int, int], None]
_ROWS_A_TRANSACTION = 200
_Edge = tuple[int, int]
_Checks = tuple[str, str]


def adopt_pending(store: ParquetArtifactStore, progress: Progress | None = None) -> AdoptionReport:
    """Take over the rows that the earlier store's writer put into this lake's manifest, if there are any.

    ``progress`` is told (done, total). What cannot be represented is refused and reported, row by row. Raises
    LakeNotFoundError, StorageError where the disk refuses; what was recorded until then stays.
    """
    return adopt_rows(store, RowsInPlace(store), progress)


def adopt_rows(store: ParquetArtifactStore, source: EarlierSource, progress: Progress | None = None) -> AdoptionReport:
    """Take over every row of ``source`` that the lake does not have yet; see `adopt_pending`."""
    report = AdoptionReport(home=store.paths.home)
    with source.reading() as connection:
        rows = source.rows(connection)
        order, closing = inputs_first(rows, lineage_edges(connection) if rows else [])
        report.lineage_left_out = _dangling(connection) + len(closing)
    for start in range(0, len(order), _ROWS_A_TRANSACTION):
        _adopt_some(store, source, order[start : start + _ROWS_A_TRANSACTION], closing, report)
        if progress is not None:
            progress(min(start + _ROWS_A_TRANSACTION, len(order)), len(order))
    for artifact_type, version in choose_heads(store):
        report.of_type(artifact_type, version).heads += 1
    with store.manifest.reading() as connection:
        report.several_active = keys_with_several_active(connection)
        report.without_head = keys_without_head(connection)
    return report


def _adopt_some(
    store: ParquetArtifactStore,
    source: EarlierSource,
    numbers: Sequence[int],
    closing: set[_Edge],
    report: AdoptionReport,
) -> None:
    with source.reading() as connection:
        read = [read_row(connection, number) for number in numbers]
    report.refused += [row for row in read if isinstance(row, RefusedRow)]
    rows = [row for row in read if isinstance(row, EarlierRow)]
    with store.manifest.reading() as connection:
        before = _checks(connection, [row.artifact_id for row in rows])
    with source.bringing():
        brought: list[tuple[EarlierRow, Examination]] = []
        for row in rows:
            if before.get(row.artifact_id, ("", ""))[0] == CONFIRMED:
                report.known_before += 1
                continue
            found = examine(source.files, row)
            if before.get(row.artifact_id) == (found.file_check, found.content_check):
                report.known_before += 1
                continue
            there = source.bring(row, found)
            if isinstance(there, RefusedRow):
                report.refused.append(there)
            else:
                brought.append((there, replace(found, data=None)))  # some hundred files would be held otherwise
        recorded = []
        with store.manifest.writing() as transaction:
            for row, found in brought:
                refusal = _record(transaction, row, found, closing, report)
                if refusal is None:
                    recorded.append((row, found))
                else:
                    report.refused.append(refusal)
    for row, found in recorded:
        if row.artifact_id in before:
            report.checked_again += 1
        else:
            _count(report, row, found)
        _doubt(report, row, found)


def _record(
    transaction: ManifestTransaction,
    row: EarlierRow,
    found: Examination,
    closing: set[_Edge],
    report: AdoptionReport,
) -> RefusedRow | None:
    connection, artifact_id = transaction.connection, row.artifact_id
    taken = _taken_by(connection, row)
    if taken is not None:
        return RefusedRow(row.number, artifact_id, taken)
    inputs = {input_id for input_id, number in row.inputs.items() if (row.number, number) not in closing}
    linked = {end for link in row.links for end in link}
    known = _known(connection, sorted(inputs | linked)) | {artifact_id}
    report.lineage_left_out += len(inputs - known)
    for input_id in row.inputs.keys() - inputs:  # in place: no question may go round in circles
        connection.execute(
            "DELETE FROM artifact_lineage WHERE artifact_id = ? AND input_artifact_id = ?", (artifact_id, input_id)
        )
    record_adoption(
        transaction,
        Adoption(
            row=row.values,
            qlh1_hash=found.qlh1_hash,
            byte_size=found.byte_size,
            file_check=found.file_check,
            content_check=found.content_check,
            tags=row.tags,
            inputs=sorted(inputs & known),
            links=[link for link in row.links if known.issuperset(link)],
        ),
    )
    return None


def _taken_by(connection: apsw.Connection, row: EarlierRow) -> str | None:
    """Why the row cannot stand beside what the lake has; None if it can."""
    other = connection.execute(
        "SELECT artifact_id, file_hash, published_seq FROM artifacts WHERE artifact_id = ?", (row.artifact_id,)
    ).fetchone()
    if other is not None and (other[1] != row.values["file_hash"] or other[2] is not None):
        return "the lake has another artifact with this id"
    same_bytes = connection.execute(
        "SELECT a.artifact_id FROM artifacts a LEFT JOIN adoptions d ON d.artifact_id = a.artifact_id"
        " WHERE a.file_hash = ? AND a.artifact_id <> ? AND (a.published_seq IS NOT NULL OR d.artifact_id IS NOT NULL)",
        (row.values["file_hash"], row.artifact_id),
    ).fetchone()
    return None if same_bytes is None else f"the lake has its bytes as artifact {same_bytes[0]}"


def _known(connection: apsw.Connection, artifact_ids: Sequence[str]) -> set[str]:
    """Those that were published here or taken over."""
    rows = connection.execute(
        "SELECT a.artifact_id FROM artifacts a LEFT JOIN adoptions d ON d.artifact_id = a.artifact_id"
        " WHERE a.artifact_id IN (SELECT value FROM json_each(?))"
        " AND (a.published_seq IS NOT NULL OR d.artifact_id IS NOT NULL)",
        (json.dumps(list(artifact_ids)),),
    )
    return {row[0] for row in rows}


def _checks(connection: apsw.Connection, artifact_ids: Sequence[str]) -> dict[str, _Checks]:
    """What was confirmed of those that were taken over before."""
    rows = connection.execute(
        "SELECT artifact_id, file_check, content_check FROM adoptions"
        " WHERE artifact_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(artifact_ids)),),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _dangling(connection: apsw.Connection) -> int:
    """Lineage that names an artifact which is not there."""
    count: int = connection.execute(
        "SELECT count(*) FROM artifact_lineage l WHERE NOT EXISTS"
        " (SELECT 1 FROM artifacts a WHERE a.artifact_id = l.artifact_id) OR NOT EXISTS"
        " (SELECT 1 FROM artifacts a WHERE a.artifact_id = l.input_artifact_id)"
    ).get
    return count


def _count(report: AdoptionReport, row: EarlierRow, found: Examination) -> None:
    counts = report.of_type(row.values["artifact_type"], row.values["schema_version"])
    counts.adopted += 1
    counts.files[found.file_check] += 1
    counts.content[found.content_check] += 1
    counts.sidecars[found.sidecar] += 1
    counts.rows += found.rows or 0
    counts.left_out_rows += found.left_out


def _doubt(report: AdoptionReport, row: EarlierRow, found: Examination) -> None:
    doubts = []
    if found.file_check != CONFIRMED:
        doubts.append(f"file {found.file_check}")
    if found.content_check in {UNCONFIRMED, UNREADABLE} and found.byte_size is not None:
        doubts.append(f"content {found.content_check}")
    if found.rows is not None and found.rows != row.values["row_count"]:
        doubts.append(f"{found.rows} rows, recorded are {row.values['row_count']}")
    if found.sidecar != CONFIRMED:
        doubts.append(f"sidecar {found.sidecar}")
    if doubts:
        report.doubtful.append(
            DoubtfulArtifact(row.artifact_id, row.values["artifact_type"], row.values["logical_key"], tuple(doubts))
        )
