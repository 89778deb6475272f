"""A small lake in which everything happened that a manifest can hold, and its rows for comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.collection import record_collection
from quantlab_resources.artifacts.raw_files import archive_raw_file
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request, new_store, slice_request

Rows = dict[str, list[tuple[Any, ...]]]


def eventful_lake(home: Path) -> ParquetArtifactStore:
    """Publications, deduplicated ones, heads that go to and fro, supersession by hand, withdrawal and revival, tags, a
    set, an experiment with two attempts, and collected bytes."""
    store = new_store(home)
    source = home.with_name(home.name + "-export.json")
    source.write_bytes(b"{}")
    raw = archive_raw_file(store, source, "telegram_export", WRITER, tags={"chat": "gruppe ü"}).artifact_id
    members = [
        store.publish(slice_request([price], key=key, input_artifact_ids=[raw], run_id="r1", params={"n": 1.5}))
        for price, key in ((1.0, "1"), (2.0, "2"))
    ]
    frozen = store.publish(
        PublishRequest(
            ARTIFACT_SET.name, 1, "of=candles/selection=all", ARTIFACT_SET.schema.empty_table(), WRITER,
            input_artifact_ids=[member.artifact_id for member in members],
        )
    ).artifact_id  # fmt: skip
    for number, reason in ((1, "a"), (2, "corrected"), (1, "the correction was wrong")):
        store.publish(free_request([number], key="of=to_and_fro", supersede_reason=reason, input_artifact_ids=[raw]))
    child = store.publish(free_request([3], key="of=child", input_artifact_ids=[frozen])).artifact_id
    store.publish(slice_request([1.0], key="1", tags={"again": "yes"}, input_artifact_ids=[child, raw], run_id="r2"))
    wrong = store.publish(free_request([4], key="of=wrong")).artifact_id
    right = store.publish(free_request([4], key="of=right")).artifact_id
    store.supersede(right, wrong, reason="the key was misspelt")
    gone = store.publish(free_request([5], key="of=gone")).artifact_id
    back = store.publish(free_request([6], key="of=back")).artifact_id
    store.tombstone(gone, reason="source was faked")
    store.tombstone(back, reason="source was thought to be faked")
    store.publish(free_request([6], key="of=back", revive=True))
    in_shadow = store.publish(free_request([7], key="of=shadow")).artifact_id
    later = store.publish(free_request([8], key="of=shadow")).artifact_id
    store.tombstone(later, reason="too early")
    store.publish(free_request([7], key="of=shadow"))
    assert store.heads("outside", "of=shadow")[0].artifact_id == in_shadow
    _experiment(store)
    old = store.publish(free_request([9], key="of=old")).artifact_id
    store.publish(free_request([10], key="of=old"))
    with store.manifest.writing() as transaction:
        record_collection(transaction, [old])
    return store


def _experiment(store: ParquetArtifactStore) -> None:
    def to(status: ExperimentStatus, error: str | None = None, **outputs: str) -> ExperimentTransition:
        return ExperimentTransition("e1", status, error, outputs)

    store.journal.append(to(ExperimentStatus.PENDING))
    store.journal.append(to(ExperimentStatus.RUNNING))
    store.journal.append(to(ExperimentStatus.FAILED, "no candles"))
    store.journal.append(to(ExperimentStatus.RUNNING))
    extra = store.publish(free_request([11], key="experiment=e1/fills")).artifact_id
    store.journal.record_outputs("e1", {"fills": extra})
    store.publish_many(
        [free_request([12], key="experiment=e1/trades")],
        transition=to(ExperimentStatus.COMPLETED, trades="experiment=e1/trades"),
    )
    store.journal.append(ExperimentTransition("e2", ExperimentStatus.PENDING))


def rows_of(manifest: Path) -> Rows:
    """Every row of every table, sorted, except when a migration was applied; and the schema itself."""
    connection = apsw.Connection(str(manifest), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        schema = list(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"))
        tables = [name for type_, name, _, _ in schema if type_ == "table"]
        found = {table: sorted(connection.execute(f'SELECT * FROM "{table}"'), key=repr) for table in tables}  # noqa: S608
    finally:
        connection.close()
    found["schema_migrations"] = [(version, name) for version, _, name in found["schema_migrations"]]
    return {**found, "sqlite_master": schema}
