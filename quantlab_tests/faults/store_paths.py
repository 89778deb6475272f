"""Every way to write into the artifact store, each with a careless way to do the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw

from quantlab_core.artifacts.artifact import ArtifactStatus, PublishRequest
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.collection import record_restoration
from quantlab_resources.artifacts.events.event_files import event_path, write_event
from quantlab_resources.artifacts.files.parquet_files import sha256_of, to_parquet
from quantlab_resources.artifacts.files.stored_tables import prepare, store_files
from quantlab_resources.artifacts.manifest.manifest_schema import MIGRATIONS
from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction, NewArtifact, Publication
from quantlab_resources.artifacts.raw_files import archive_raw_file
from quantlab_resources.artifacts.upkeep.garbage_collection import collect_garbage
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.faults.lake_view import NOT_WHOLE, View, clean_up, flaws, lake_view, settled, store_at
from quantlab_tests.faults.scenario import Step, WritePath
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request, slice_request


def store_path(name: str, prepare: Step, steps: tuple[Step, ...], careless: Step, *, cases: int = 18) -> WritePath:
    return WritePath(name, prepare, steps, lake_view, settled, flaws, clean_up, careless, cases)


def head_id(store: ParquetArtifactStore, key: str) -> str:
    return next(head.artifact_id for head in store.heads("outside") if head.logical_key == key)


def artifact_id_of(request: PublishRequest) -> str:
    return prepare(request).artifact_id


def make_lake(home: Path) -> None:
    """A lake with an artifact that others are made from, and a pending experiment."""
    store = ParquetArtifactStore.create(LakePaths.from_environment(home, {}), clock=SystemClock())
    store.publish(free_request([1], key="of=a"))
    store.journal.append(ExperimentTransition("e1", ExperimentStatus.PENDING))
    store.close()


def publish_carelessly(home: Path, request: PublishRequest) -> None:
    """The row first, then the file, in place and without a sync."""
    store = store_at(home)
    with store.publishing():
        pass
    prepared = prepare(request)
    data = to_parquet(prepared.table, prepared.spec, request.logical_key)
    artifact = replace(
        store.get_artifact(head_id(store, "of=a")),
        artifact_id=prepared.artifact_id, logical_key=request.logical_key, content_hash=prepared.content_hash,
        file_hash=sha256_of(data), path_parquet="outside/v1/new.parquet", path_sidecar="outside/v1/new.json",
    )  # fmt: skip
    with store.manifest.writing() as transaction:
        transaction.publish_all([(NewArtifact(artifact, len(data)), Publication(WRITER, None, {}, [], {}, "new"))])
    (store.paths.artifacts_root / artifact.path_parquet).write_bytes(data)
    (store.paths.artifacts_root / artifact.path_sidecar).write_bytes(b"{}")


def publish_new(home: Path) -> None:
    """A first publication of its type, with an input and tags."""
    store = store_at(home)
    made_from = [head_id(store, "of=a")]
    store.publish(slice_request([1.0, 2.0], input_artifact_ids=made_from, tags={"colour": "red"}, run_id="r1"))


def publish_over_a_head(home: Path) -> None:
    store_at(home).publish(free_request([2], key="of=a", run_id="r1"))


def publish_known_content(home: Path) -> None:
    """Content that is there: only the publication, a further input and a tag are new."""
    store = store_at(home)
    store.publish(slice_request([1.0, 2.0], input_artifact_ids=[head_id(store, "of=a")], tags={"size": "big"}))


PUBLISH = store_path(
    "publish",
    make_lake,
    (publish_new, publish_over_a_head, publish_known_content),
    lambda home: publish_carelessly(home, free_request([2], key="of=a")),
    cases=30,
)


def publish_many_with_a_state(home: Path) -> None:
    """Two outputs, one in place of an older one, with an experiment's change of state."""
    store = store_at(home)
    if store.journal.latest("e1").status is ExperimentStatus.PENDING:
        store.publish_many(
            [free_request([2], key="of=a"), free_request([3], key="of=b")],
            transition=ExperimentTransition("e1", ExperimentStatus.RUNNING),
        )


def publish_many_one_by_one(home: Path) -> None:
    store = store_at(home)
    store.publish(free_request([2], key="of=a"))
    store.publish(free_request([3], key="of=b"))
    store.journal.append(ExperimentTransition("e1", ExperimentStatus.RUNNING))


PUBLISH_MANY = store_path("publish_many", make_lake, (publish_many_with_a_state,), publish_many_one_by_one)


def make_lake_to_withdraw_from(home: Path) -> None:
    make_lake(home)
    store = store_at(home)
    store.publish(free_request([1, 1], key="of=old"))
    store.publish(free_request([2, 2], key="of=new"))
    store.publish(free_request([3, 3], key="of=wrong"))
    store.close()


OLD, NEW, WRONG = (
    artifact_id_of(free_request([n, n], key=f"of={name}")) for n, name in ((1, "old"), (2, "new"), (3, "wrong"))
)


def supersede(home: Path) -> None:
    store = store_at(home)
    if store.get_artifact(OLD).status is ArtifactStatus.ACTIVE:
        store.supersede(NEW, OLD, reason="a better one")


def tombstone(home: Path) -> None:
    store_at(home).tombstone(WRONG, reason="wrong prices")


def supersede_in_two_halves(home: Path) -> None:
    """The status in a transaction of its own, then the rest."""
    store = store_at(home)
    for status in (ArtifactStatus.SUPERSEDED, ArtifactStatus.ACTIVE):
        connection = apsw.Connection(str(store.paths.manifest_db))
        connection.execute("UPDATE artifacts SET status = ? WHERE artifact_id = ?", (status.value, OLD))
        connection.close()
    store.supersede(NEW, OLD, reason="a better one")


SUPERSEDE = store_path("supersede", make_lake_to_withdraw_from, (supersede,), supersede_in_two_halves)


def commit_before_the_event(home: Path, change: Callable[[ManifestTransaction], object]) -> None:
    """Commits the rows and writes the event file afterwards."""
    store = store_at(home)
    with store.publishing(), store.manifest.writing() as transaction:
        change(transaction)
        connection, events = transaction.connection, store.paths.events
        connection.execute("INSERT INTO events (seq, at, sha256) VALUES (?, ?, ?)", (transaction.seq, "late", "0" * 64))
        connection.execute("COMMIT")
        digest = write_event(events, transaction.seq, "late", [])
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE events SET sha256 = ? WHERE seq = ?", (digest, transaction.seq))
        connection.execute("COMMIT")
        store.close()
        os._exit(0)


def tombstone_without_an_event(home: Path) -> None:
    commit_before_the_event(home, lambda transaction: transaction.tombstone(WRONG, reason="wrong prices"))


TOMBSTONE = store_path("tombstone", make_lake_to_withdraw_from, (tombstone,), tombstone_without_an_event)


def make_lake_and_export(home: Path) -> None:
    make_lake(home)
    (home / "export.json").write_bytes(b'{"messages": []}' * 100_000)


def archive(home: Path) -> None:
    archive_raw_file(store_at(home), home / "export.json", "telegram_export", WRITER)


def archive_in_place(home: Path) -> None:
    """Publishes what the raw file will be, then copies it."""
    store = store_at(home)
    archive_raw_file(store, home / "export.json", "telegram_export", WRITER)
    name = next(iter(store.files.list_files("raw"))).name
    path = Path(store.files.location(name))
    data = path.read_bytes()
    path.unlink()
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), 100_000):
            file.write(data[start : start + 100_000])


ARCHIVE = store_path("archive", make_lake_and_export, (archive,), archive_in_place)


def make_lake_with_damaged_files(home: Path) -> None:
    """The file of an active artifact has other bytes, that of another is gone."""
    make_lake_to_withdraw_from(home)
    store = store_at(home)
    damaged, gone = (Path(store.get_artifact(artifact_id).path_parquet) for artifact_id in (OLD, NEW))
    damaged.chmod(0o644)
    damaged.write_bytes(b"rotten")
    gone.unlink()
    store.close()


def put_back_what_is_damaged(home: Path) -> None:
    store_at(home).publish(free_request([1, 1], key="of=old", run_id="again"))


def put_back_what_is_gone(home: Path) -> None:
    store_at(home).publish(free_request([2, 2], key="of=new", run_id="again"))


def put_back_in_place(home: Path) -> None:
    """Names the damaged content's publication first, then writes over the file."""
    store = store_at(home)
    with store.publishing(), store.manifest.writing() as transaction:
        artifact = store.get_artifact(OLD)
        publication = Publication(WRITER, "again", {}, [], {}, "again")
        transaction.publish_all([(NewArtifact(artifact, 0), publication)])
    prepared = prepare(free_request([1, 1], key="of=old"))
    Path(artifact.path_parquet).write_bytes(to_parquet(prepared.table, prepared.spec, "of=old"))
    put_back_what_is_gone(home)


def rows_only(home: Path) -> View:
    """Rows without content: files that were lost come back before the publication that brings them is recorded."""
    return {name: rows for name, rows in lake_view(home).items() if name != "content"}


def flaws_of_what_was_acknowledged(home: Path) -> list[str]:
    """As `flaws`; and content that was published again must be whole again."""
    store = store_at(home)
    with store.manifest.reading() as connection:
        again = [row[0] for row in connection.execute("SELECT artifact_id FROM publications WHERE run_id = 'again'")]
    not_whole = [
        f"{artifact_id} was published again and is not whole"
        for artifact_id in again
        if dict(lake_view(home)["content"])[artifact_id] == NOT_WHOLE
    ]
    store.close()
    return flaws(home) + not_whole


PUT_BACK = replace(
    store_path(
        "put_back",
        make_lake_with_damaged_files,
        (put_back_what_is_damaged, put_back_what_is_gone),
        put_back_in_place,
    ),
    view=rows_only,
    flaws=flaws_of_what_was_acknowledged,
)


def start_an_experiment(home: Path) -> None:
    journal = store_at(home).journal
    if journal.latest("e1").status is ExperimentStatus.PENDING:
        journal.append(ExperimentTransition("e1", ExperimentStatus.RUNNING))


def record_outputs(home: Path) -> None:
    store = store_at(home)
    store.journal.record_outputs("e1", {"trades": head_id(store, "of=a")})


def fail_an_experiment(home: Path) -> None:
    journal = store_at(home).journal
    if journal.latest("e1").status is ExperimentStatus.RUNNING:
        journal.append(ExperimentTransition("e1", ExperimentStatus.FAILED, "no candles"))


def journal_without_an_event(home: Path) -> None:
    transition = ExperimentTransition("e1", ExperimentStatus.RUNNING)
    commit_before_the_event(home, lambda transaction: transaction.append_transition(transition, {}))


JOURNAL = store_path(
    "journal", make_lake, (start_an_experiment, record_outputs, fail_an_experiment), journal_without_an_event
)


def no_lake(home: Path) -> None:
    home.mkdir()


def create(home: Path) -> None:
    ParquetArtifactStore.create(LakePaths.from_environment(home, {}), clock=SystemClock()).close()


def create_without_transactions(home: Path) -> None:
    paths = LakePaths.from_environment(home, {})
    paths.manifest_db.parent.mkdir(parents=True)
    paths.events.mkdir()
    connection = apsw.Connection(str(paths.manifest_db))
    for migration in MIGRATIONS:
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO schema_migrations (version, applied_at) VALUES (?, 'now')", (migration.version,)
        )


CREATE = store_path("create", no_lake, (create,), create_without_transactions)


def make_lake_with_leftovers(home: Path) -> None:
    """Staging files, an event that never committed, and orphans of two kinds."""
    make_lake_to_withdraw_from(home)
    store = store_at(home)
    (store.paths.staging / "staged-x").write_bytes(b"half")
    (store.paths.events / "staged-y").write_bytes(b"half")
    event_path(store.paths.events, store.last_sequence() + 1).write_bytes(b"{}")
    for number in (4, 5):
        store_files(store.files, prepare(free_request([number], key="of=orphan")), store.clock.now())
    store.paths.raw_files.mkdir()
    (store.paths.raw_files / ("0" * 64)).write_bytes(b"never registered")
    store.close()


def clear(home: Path) -> None:
    recover(store_at(home))


def clear_everything_and_put_it_back(home: Path) -> None:
    """Moves every file away first and brings back what is registered."""
    store = store_at(home)
    folder = store.paths.artifacts_root / "outside"
    folder.rename(home / "aside")
    folder.mkdir()
    (home / "aside" / "v1").rename(folder / "v1")


RECOVER = store_path("recover", make_lake_with_leftovers, (clear,), clear_everything_and_put_it_back)


def make_lake_with_an_interrupted_supersession(home: Path) -> None:
    """The event of a supersession is there, its rows are not: the process died before the commit."""
    make_lake_to_withdraw_from(home)
    copied_lake(home / "manifest", home / "before")
    supersede(home)
    last = event_path(home / "manifest" / "events", store_at(home).last_sequence())
    shutil.copy(last, home / "before" / "events" / last.name)
    shutil.rmtree(home / "manifest")
    (home / "before").rename(home / "manifest")


FINISH = store_path("finish", make_lake_with_an_interrupted_supersession, (tombstone,), tombstone_without_an_event)


def make_lake_with_collected_content(home: Path) -> None:
    """One content was withdrawn, and its bytes were collected."""
    make_lake_to_withdraw_from(home)
    store = store_at(home)
    store.tombstone(WRONG, reason="wrong prices")
    collect_garbage(store)
    store.close()


def revive(home: Path) -> None:
    """What was withdrawn and collected is current again, with its bytes."""
    store_at(home).publish(free_request([3, 3], key="of=wrong", run_id="again", revive=True))


def revive_before_its_bytes(home: Path) -> None:
    """The rows first, then the file."""
    store = store_at(home)
    with store.publishing(), store.manifest.writing() as transaction:
        artifact = store.get_artifact(WRONG)
        publication = Publication(WRITER, "again", {}, [], {}, "again", revive=True)
        transaction.publish_all([(NewArtifact(artifact, 0), publication)])
        record_restoration(transaction, [WRONG])
    revive(home)


REVIVE = replace(
    store_path("revive", make_lake_with_collected_content, (revive,), revive_before_its_bytes),
    view=rows_only,
    flaws=flaws_of_what_was_acknowledged,
)

STORE_PATHS = (
    PUBLISH,
    PUBLISH_MANY,
    SUPERSEDE,
    TOMBSTONE,
    REVIVE,
    ARCHIVE,
    PUT_BACK,
    JOURNAL,
    CREATE,
    RECOVER,
    FINISH,
)
