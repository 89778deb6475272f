"""What is in use keeps its bytes for ever; what is not is given up on request, and comes back when it is published."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path

import apsw
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.errors import ArtifactMissingError, StorageError
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.collection import replay_collection
from quantlab_resources.artifacts.events.event_files import read_event
from quantlab_resources.artifacts.files.local_artifact_files import LocalArtifactFiles
from quantlab_resources.artifacts.raw_files import archive_raw_file
from quantlab_resources.artifacts.upkeep import garbage_collection
from quantlab_resources.artifacts.upkeep.garbage_collection import CollectedType, collect_garbage, find_garbage
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.resources.artifacts.lakes import WRITER, HandClock, files_under, free_request, new_store


def published(store: ParquetArtifactStore, value: int, key: str, *inputs: str, type_: str = "outside") -> str:
    """The artifact with this number as its content, made from ``inputs``."""
    return store.publish(free_request([value], key, type_, input_artifact_ids=list(inputs))).artifact_id


def table_of(store: ParquetArtifactStore, artifact_id: str) -> Path:
    return Path(store.get_artifact(artifact_id).path_parquet)


def stored_bytes(store: ParquetArtifactStore) -> dict[str, bytes]:
    """Names and bytes of every table and raw file."""
    root = store.paths.artifacts_root
    return {
        name: (root / name).read_bytes()
        for name in files_under(root)
        if not name.startswith("_") and not name.endswith(".json")
    }


def rows(store: ParquetArtifactStore) -> list[tuple[object, ...]]:
    with store.manifest.reading() as connection:
        return list(connection.execute("SELECT artifact_id, seq, at FROM collections ORDER BY 1"))


def test_what_was_replaced_and_is_used_by_nothing_gives_up_its_bytes_and_nothing_else(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    old = published(store, 1, "of=1")
    head = published(store, 2, "of=1")
    path, sidecar = table_of(store, old), Path(store.get_artifact(old).path_sidecar)
    size = path.stat().st_size
    before = stored_bytes(store)

    planned = find_garbage(store)
    assert planned.types == (CollectedType("outside", 1, size),)
    assert (planned.is_applied, planned.artifacts, planned.byte_size) == (False, 1, size)
    assert stored_bytes(store) == before, "a plan changes nothing"

    report = collect_garbage(store)
    assert (report.is_applied, report.types) == (True, planned.types)
    assert not path.exists()
    assert sidecar.exists()
    assert store.read(head).num_rows == 1
    assert [artifact.artifact_id for artifact in store.find_by_logical_key("outside", "of=1")] == [head, old]
    assert verify(store, deep=True).is_whole
    assert verify(store).orphans == 0
    assert recover(store).is_clean
    assert collect_garbage(store).artifacts == 0, "a second collection finds nothing"


def test_everything_upstream_of_a_head_is_kept_however_far_and_through_sets(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    raw = published(store, 1, "of=raw")
    middle = published(store, 2, "of=middle", raw)
    members = published(store, 3, "of=set", middle, type_="set")
    published(store, 4, "of=head", members)
    for value, key, type_ in ((11, "of=raw", "outside"), (12, "of=middle", "outside"), (13, "of=set", "set")):
        published(store, value, key, type_=type_)
    assert {store.get_artifact(id_).status for id_ in (raw, middle, members)} == {"superseded"}
    before = stored_bytes(store)
    assert collect_garbage(store).artifacts == 0
    assert stored_bytes(store) == before


def test_a_withdrawn_artifact_is_kept_while_something_in_use_was_made_from_it(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    withdrawn = published(store, 1, "of=1")
    user = published(store, 2, "of=2", withdrawn)
    store.tombstone(withdrawn, reason="wrong")
    assert collect_garbage(store).artifacts == 0
    store.tombstone(user, reason="made from what is wrong")
    assert collect_garbage(store).artifacts == 2
    assert stored_bytes(store) == {}


def test_what_an_experiment_is_made_of_or_gave_is_kept_when_it_is_replaced_or_withdrawn(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    alerts = published(store, 1, "of=alerts")
    members = published(store, 2, "of=set", alerts)
    definition = store.publish(definition_request("e", members)).artifact_id
    output = published(store, 4, "experiment=e/trades", members)
    store.journal.append(ExperimentTransition("e", ExperimentStatus.PENDING))
    store.journal.append(ExperimentTransition("e", ExperimentStatus.RUNNING))
    store.journal.record_outputs("e", {"trades": output})
    store.journal.append(ExperimentTransition("e", ExperimentStatus.FAILED))
    store.journal.append(ExperimentTransition("e", ExperimentStatus.RUNNING))
    unused = published(store, 5, "of=unused")
    everything = (alerts, members, definition, output, unused)
    for artifact_id in everything:
        store.tombstone(artifact_id, reason="all of it")
    collect_garbage(store)
    assert {id_ for id_ in everything if not table_of(store, id_).exists()} == {unused}


def definition_request(experiment: str, *inputs: str) -> PublishRequest:
    row = dict.fromkeys(EXPERIMENT_DEFINITION.schema.names, "x") | {"experiment_id": experiment}
    return PublishRequest(
        EXPERIMENT_DEFINITION.name,
        EXPERIMENT_DEFINITION.version,
        f"experiment={experiment}/definition",
        pa.Table.from_pylist([row], schema=EXPERIMENT_DEFINITION.schema),
        WRITER,
        input_artifact_ids=inputs,
    )


def test_what_was_replaced_lately_can_be_spared(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    clock = store.clock
    assert isinstance(clock, HandClock)
    long_ago = published(store, 1, "of=1")
    published(store, 2, "of=1")
    lately = published(store, 3, "of=2")
    withdrawn_lately = published(store, 6, "of=4")
    published(store, 7, "of=4")
    clock.time += timedelta(days=10)
    store.tombstone(withdrawn_lately, reason="wrong, too")
    published(store, 4, "of=2")
    withdrawn = published(store, 5, "of=3")
    store.tombstone(withdrawn, reason="wrong")
    assert find_garbage(store).artifacts == 4
    assert collect_garbage(store, older_than=timedelta(days=5)).artifacts == 1
    assert not table_of(store, long_ago).exists()
    assert table_of(store, lately).exists()
    assert table_of(store, withdrawn_lately).exists()
    clock.time += timedelta(days=10)
    assert collect_garbage(store, older_than=timedelta(days=5)).artifacts == 3


def test_publishing_the_same_content_brings_back_the_same_bytes(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    old = published(store, 1, "of=1")
    published(store, 2, "of=1")
    path = table_of(store, old)
    good = path.read_bytes()
    collect_garbage(store)
    with pytest.raises(ArtifactMissingError, match=rf"artifact {old} .* was collected at 2026-.*publishing the same"):
        store.read(old)
    result = store.publish(free_request([1], "of=1"))
    assert (result.artifact_id, result.deduped) == (old, True)
    assert path.read_bytes() == good
    assert store.read(old).column("n").to_pylist() == [1]
    assert rows(store) == []
    assert verify(store, deep=True).is_whole


def test_withdrawn_content_that_is_revived_brings_back_its_bytes_too(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    withdrawn = published(store, 1, "of=1")
    store.tombstone(withdrawn, reason="wrong")
    assert collect_garbage(store).artifacts == 1
    assert store.publish(free_request([1], "of=1", revive=True)).artifact_id == withdrawn
    assert store.read(withdrawn).num_rows == 1
    assert rows(store) == []
    assert verify(store, deep=True).is_whole


def test_the_message_names_the_asset_that_makes_a_collected_artifact_again(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    (tmp_path / "in.json").write_bytes(b"{}")
    raw = archive_raw_file(store, tmp_path / "in.json", "telegram_export", WRITER).artifact_id
    store.tombstone(raw, reason="wrong")
    collect_garbage(store)
    with pytest.raises(ArtifactMissingError, match=r"asset telegram_exports"):
        store.read(raw)


def test_raw_bytes_go_with_the_last_artifact_that_has_them(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    source = tmp_path / "in"
    source.write_bytes(b"{}" * 100)
    first = archive_raw_file(store, source, "telegram_export", WRITER).artifact_id
    second = archive_raw_file(store, source, "candle_file", WRITER).artifact_id
    (raw,) = store.paths.raw_files.iterdir()
    store.tombstone(first, reason="wrong")
    size = table_of(store, first).stat().st_size
    assert find_garbage(store).byte_size == collect_garbage(store).byte_size == size
    assert raw.exists()
    assert verify(store).is_whole
    store.tombstone(second, reason="wrong")
    size = table_of(store, second).stat().st_size + 200
    assert find_garbage(store).byte_size == collect_garbage(store).byte_size == size
    assert not raw.exists()
    assert verify(store).is_whole
    assert recover(store).is_clean


def test_what_was_adopted_is_never_collected(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    adopted, unregistered = published(store, 1, "of=1"), published(store, 2, "of=2")
    for artifact_id in (adopted, unregistered):
        store.tombstone(artifact_id, reason="wrong")
    with store.manifest.writing() as transaction:
        transaction.connection.execute(
            "INSERT INTO adoptions (artifact_id, seq, was_head, file_check, content_check)"
            " VALUES (?, 1, 1, 'confirmed', 'E2')",
            (adopted,),
        )
        transaction.connection.execute(
            "UPDATE artifacts SET published_seq = NULL WHERE artifact_id = ?", (unregistered,)
        )
        transaction.note("a change of the test's own")
    assert collect_garbage(store).artifacts == 0


def test_a_collection_waits_for_publishers(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    published(store, 1, "of=1")
    published(store, 2, "of=1")
    before = stored_bytes(store)
    with store.publishing(), pytest.raises(StorageError, match="others are publishing; nothing was collected"):
        collect_garbage(store, wait_s=0.05)
    assert stored_bytes(store) == before
    assert rows(store) == []


def test_damaged_bytes_of_a_collected_artifact_are_no_damage(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    old = published(store, 1, "of=1")
    published(store, 2, "of=1")
    store.close()
    assert collect_and_die(store, 0) == -signal.SIGKILL
    table_of(store, old).chmod(0o644)
    table_of(store, old).write_bytes(b"rotten")
    assert verify(store, deep=True).is_whole
    published(store, 1, "of=1")
    assert store.read(old).num_rows == 1
    assert verify(store, deep=True).is_whole


def test_the_events_replay_to_the_same_rows(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for key in ("of=1", "of=2", "of=3"):
        published(store, 1, key)
        published(store, 2, key)
    collect_garbage(store)
    store.publish(free_request([1], "of=2"))
    replayed = apsw.Connection(":memory:")
    replayed.execute("CREATE TABLE collections (artifact_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, at TEXT NOT NULL)")
    for seq in range(1, store.last_sequence() + 1):
        event = read_event(store.paths.events, seq)
        for change in event.changes:
            if change["kind"] == "collection":
                replay_collection(replayed, change, seq=seq, at=event.at)
    assert list(replayed.execute("SELECT artifact_id, seq, at FROM collections ORDER BY 1")) == rows(store)
    assert len(rows(store)) == 2


class DeadlyFiles(LocalArtifactFiles):
    """A local disk on which the process dies when it removes one file more than ``lives``."""

    def __init__(self, store: ParquetArtifactStore, lives: int) -> None:
        super().__init__(store.paths)
        self._lives = lives

    def remove(self, name: str) -> bool:
        if self._lives == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._lives -= 1
        return super().remove(name)


def collect_and_die(store: ParquetArtifactStore, lives: int) -> int:
    """The status of a process that collects on `DeadlyFiles`."""
    child = os.fork()
    if child == 0:
        try:
            files = DeadlyFiles(store, lives)
            collect_garbage(ParquetArtifactStore(store.paths, clock=HandClock(), files=files))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_collection_that_is_killed_leaves_a_clean_lake_and_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage_collection, "BATCH_ARTIFACTS", 2)
    store = new_store(tmp_path)
    old = [published(store, number, f"of={number}") for number in range(5)]
    heads = [published(store, number + 100, f"of={number}") for number in range(5)]
    store.close()
    for lives in range(3):
        assert collect_and_die(store, lives) == -signal.SIGKILL
        assert verify(store, deep=True).is_whole
        assert verify(store).orphans == 0
        assert recover(store).is_clean
        assert [store.read(head).num_rows for head in heads] == [1] * 5
    report = collect_garbage(store)
    assert report.leftovers > 0
    assert not any(table_of(store, artifact_id).exists() for artifact_id in old)
    assert len(rows(store)) == len(old)


def test_bytes_that_an_interrupted_collection_left_are_readable_and_can_be_taken_back(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    old = published(store, 1, "of=1")
    published(store, 2, "of=1")
    store.close()
    assert collect_and_die(store, 0) == -signal.SIGKILL
    assert store.read(old).num_rows == 1
    published(store, 1, "of=1")
    assert collect_garbage(store).leftovers == 0
    assert store.read(old).num_rows == 1, "what was taken back is no leftover"


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["publish", "publish", "publish", "tombstone"]), st.integers(0, 3), st.integers(0, 7)),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(steps=STEPS)
def test_whatever_happened_before_only_what_nothing_in_use_needs_is_collected(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """The lake against a model that walks every edge: a publish is made from the artifacts its bits choose."""
    store = new_store(tmp_path_factory.mktemp("lake"))
    made: list[str] = []
    for number, (step, key, choice) in enumerate(steps):
        if step == "publish" or not made:
            inputs = [artifact_id for bit, artifact_id in enumerate(made[-3:]) if choice >> bit & 1]
            made.append(published(store, number, f"of={key}", *inputs))
        else:
            store.tombstone(made[choice % len(made)], reason="wrong")
    inputs_of = {id_: {one.artifact_id for one in store.get_lineage(id_).inputs} for id_ in made}
    in_use = {id_ for id_ in made if store.get_artifact(id_).status == "active"}
    while more := {one for id_ in in_use for one in inputs_of[id_]} - in_use:
        in_use |= more
    before = stored_bytes(store)
    report = collect_garbage(store)
    assert {id_ for id_ in made if table_of(store, id_).exists()} == in_use
    assert report.byte_size == sum(map(len, before.values())) - sum(map(len, stored_bytes(store).values()))
    assert collect_garbage(store).artifacts == 0
    assert verify(store, deep=True).is_whole
