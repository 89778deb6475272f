"""What is stale, what a replacement would make stale, and by which path.

The worked lake, with alerts of two days, a set of both, an experiment on the set and a table made from the set::

    events 1 ─ alerts 1 ─┬─ set (current) ─┬─ definition e ─ trades e
               alerts 2 ─┘                 └─ coverage
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import frozen_set_table
from quantlab_core.errors import QuantlabError
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.staleness import impact, stale, stale_counts
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request, new_store


def publish(store: ParquetArtifactStore, key: str, value: int, inputs: Sequence[str] = ()) -> str:
    return store.publish(free_request([value], f"of={key}", input_artifact_ids=inputs)).artifact_id


def freeze(store: ParquetArtifactStore, members: Sequence[str], selection: str = "current") -> str:
    artifacts = [artifact for artifact in store.get_artifacts(members) if artifact is not None]
    table = frozen_set_table(artifacts)
    request = PublishRequest(
        ARTIFACT_SET.name, 1, f"of=alerts/selection={selection}", table, WRITER, input_artifact_ids=members
    )
    return store.publish(request).artifact_id


def define(store: ParquetArtifactStore, experiment_id: str, set_id: str) -> str:
    fields = dict.fromkeys(EXPERIMENT_DEFINITION.schema.names, "x") | {"experiment_id": experiment_id}
    table = pa.Table.from_pylist([fields], schema=EXPERIMENT_DEFINITION.schema)
    key = f"experiment={experiment_id}/definition"
    request = PublishRequest(EXPERIMENT_DEFINITION.name, 1, key, table, WRITER, input_artifact_ids=[set_id])
    pending = ExperimentTransition(experiment_id, ExperimentStatus.PENDING)
    return store.publish_many([request], transition=pending)[0].artifact_id


@dataclass
class WorkedLake:
    store: ParquetArtifactStore
    events: str
    alerts: str
    other_alerts: str
    set_id: str
    definition: str
    trades: str
    coverage: str

    def stale_keys(self) -> list[str]:
        return [item.artifact.logical_key for item in stale(self.store).artifacts]


def worked_lake(home: Path) -> WorkedLake:
    store = new_store(home)
    events = publish(store, "events1", 1)
    alerts = publish(store, "alerts1", 1, [events])
    other = publish(store, "alerts2", 1)
    set_id = freeze(store, [alerts, other])
    definition = define(store, "e", set_id)
    trades = publish(store, "trades", 1, [definition])
    coverage = publish(store, "coverage", 1, [set_id])
    store.journal.append(ExperimentTransition("e", ExperimentStatus.RUNNING))
    store.journal.append(ExperimentTransition("e", ExperimentStatus.COMPLETED), outputs={"trades": trades})
    return WorkedLake(store, events, alerts, other, set_id, definition, trades, coverage)


def test_a_replaced_day_makes_all_that_was_made_from_it_stale_with_the_shortest_path_and_the_reason(
    tmp_path: Path,
) -> None:
    lake = worked_lake(tmp_path)
    assert lake.stale_keys() == []
    expected = {
        lake.set_id: [lake.set_id, lake.alerts],
        lake.definition: [lake.definition, lake.set_id, lake.alerts],
        lake.coverage: [lake.coverage, lake.set_id, lake.alerts],
        lake.trades: [lake.trades, lake.definition, lake.set_id, lake.alerts],
    }
    before = impact(lake.store, lake.alerts)
    paths = {item.artifact.artifact_id: [step.artifact_id for step in item.path] for item in before.artifacts}
    assert paths == expected
    assert [(item.experiment_id, item.status.value) for item in before.experiments] == [("e", "completed")]

    request = free_request([2], "of=alerts1", input_artifact_ids=[lake.events], supersede_reason="a call was missing")
    newer = lake.store.publish(request).artifact_id

    after = stale(lake.store)
    paths = {item.artifact.artifact_id: [step.artifact_id for step in item.path] for item in after.artifacts}
    assert paths == expected
    assert [len(item.path) for item in after.artifacts] == [2, 3, 3, 4]
    (experiment,) = after.experiments
    steps = [step.artifact_id for step in experiment.path]
    assert (experiment.experiment_id, steps) == ("e", [lake.definition, lake.set_id, lake.alerts])
    (cause,) = after.causes.values()
    assert cause.replaced_by is not None
    assert (cause.artifact.artifact_id, cause.replaced_by.artifact_id) == (lake.alerts, newer)
    assert (cause.reason, cause.is_withdrawn) == ("a call was missing", False)
    assert cause.since is not None
    assert stale_counts(lake.store).experiments == 1


def test_content_that_was_published_again_from_the_new_inputs_is_not_stale_although_the_old_edge_stays(
    tmp_path: Path,
) -> None:
    store = new_store(tmp_path)
    old = publish(store, "a", 1)
    user = publish(store, "x", 1, [old])
    new = publish(store, "a", 2)
    assert [item.artifact.artifact_id for item in stale(store).artifacts] == [user]
    assert publish(store, "x", 1, [new]) == user
    assert stale(store).artifacts == ()
    # Negative control: what looks at lineage alone raises the false alarm.
    assert {artifact.artifact_id for artifact in store.get_lineage(user).inputs} == {old, new}


def test_a_head_that_goes_a_b_a_leaves_what_was_once_made_from_a_as_good_as_it_was(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    first = publish(store, "a", 1)
    user = publish(store, "x", 1, [first])
    second = publish(store, "a", 2)
    publish(store, "x", 1, [second])
    assert publish(store, "a", 1) == first
    assert stale(store).artifacts == ()
    # Made from more than A since then: that it once followed from A alone says nothing.
    more = publish(store, "b", 1)
    publish(store, "a", 2)
    publish(store, "x", 1, [second, more])
    publish(store, "a", 1)
    assert [item.artifact.artifact_id for item in stale(store).artifacts] == [user]


def test_a_newer_set_of_the_key_leaves_experiments_alone_but_not_what_shows_the_current_state(tmp_path: Path) -> None:
    lake = worked_lake(tmp_path)
    third = publish(lake.store, "alerts3", 1)
    freeze(lake.store, [lake.alerts, lake.other_alerts, third])
    assert lake.stale_keys() == ["of=coverage"]
    assert stale(lake.store).experiments == ()
    publish(lake.store, "alerts2", 2)
    assert [item.experiment_id for item in stale(lake.store).experiments] == ["e"]
    assert "of=trades" in lake.stale_keys()


def test_a_withdrawn_input_is_a_cause_with_its_reason_and_nothing_in_its_place(tmp_path: Path) -> None:
    lake = worked_lake(tmp_path)
    lake.store.tombstone(lake.other_alerts, reason="wrong group")
    (cause,) = stale(lake.store).causes.values()
    assert (cause.is_withdrawn, cause.replaced_by, cause.reason) == (True, None, "wrong group")


def test_a_limit_cuts_the_list_but_not_the_count_and_a_type_narrows_it(tmp_path: Path) -> None:
    lake = worked_lake(tmp_path)
    publish(lake.store, "alerts1", 2, [lake.events])
    cut = stale(lake.store, limit=1)
    assert (len(cut.artifacts), cut.artifact_count, cut.is_cut) == (1, 4, True)
    of_type = stale(lake.store, artifact_type=ARTIFACT_SET.name)
    assert [item.artifact.artifact_id for item in of_type.artifacts] == [lake.set_id]
    assert (of_type.experiments, of_type.is_cut) == ((), False)


def test_an_older_active_artifact_of_an_adopted_key_counts_as_replaced_by_the_head(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with apsw.Connection(str(store.manifest.path)) as connection:
        for name, was_head in (("older", 0), ("newer", 1)):
            connection.execute(
                "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, path_parquet,"
                " path_sidecar, file_hash, content_hash, row_count)"
                " VALUES (?1, 'outside', 1, 'of=a', ?1, ?1, ?1, ?1, 1)",
                (name,),
            )
            connection.execute("INSERT INTO adoptions VALUES (?, 0, ?, 'confirmed', 'E2')", (name, was_head))
        connection.execute("INSERT INTO artifact_heads VALUES ('outside', 'of=a', 'newer', 0)")
    user = publish(store, "x", 1, ["older"])
    publish(store, "y", 1, ["newer"])
    report = stale(store)
    assert [item.artifact.artifact_id for item in report.artifacts] == [user]
    replaced_by = report.causes["older"].replaced_by
    assert replaced_by is not None
    assert replaced_by.artifact_id == "newer"


# The law: the same as a plain reading of the definition over all rows.


class Rows:
    """All rows of a manifest, and the definition of `staleness` written down as plainly as possible."""

    def __init__(self, store: ParquetArtifactStore) -> None:
        with store.manifest.reading() as connection:
            columns = "artifact_id, artifact_type, logical_key, status"
            self.artifacts = {row[0]: row[1:] for row in connection.execute(f"SELECT {columns} FROM artifacts")}  # noqa: S608
            self.heads = {(row[0], row[1]): row[2] for row in connection.execute("SELECT * FROM artifact_heads")}
            edges = list(connection.execute("SELECT artifact_id, input_artifact_id FROM artifact_lineage"))
        self.lineage = {user: {i for u, i in edges if u == user} for user in self.artifacts}
        self.publications: dict[str, list[set[str]]] = {user: [] for user in self.artifacts}
        for record in store.publications():
            if record.input_artifact_ids:
                self.publications[record.artifact_id].append(set(record.input_artifact_ids))

    def is_replaced(self, artifact_id: str) -> bool:
        return self.artifacts[artifact_id][2] != "active"

    def is_renewed_set(self, artifact_id: str) -> bool:
        type_, key, status = self.artifacts[artifact_id]
        return type_ == ARTIFACT_SET.name and status == "superseded" and (type_, key) in self.heads

    def keys(self, inputs: set[str]) -> set[tuple[str, str]]:
        return {self.artifacts[input_][:2] for input_ in inputs}

    def made_from(self, artifact_id: str) -> set[str]:
        named = self.publications[artifact_id]
        if not named:
            return self.lineage[artifact_id]
        latest = named[-1]
        if any(map(self.is_replaced, latest)):
            for earlier in reversed(named[:-1]):
                if not any(map(self.is_replaced, earlier)) and self.keys(earlier) == self.keys(latest):
                    return earlier & self.lineage[artifact_id]
        return latest & self.lineage[artifact_id]

    def is_stale(self, artifact_id: str) -> bool:
        return any(self.is_reason(artifact_id, input_) for input_ in self.made_from(artifact_id))

    def is_reason(self, user: str, input_: str) -> bool:
        if self.is_renewed_set(input_) and self.artifacts[user][0] == EXPERIMENT_DEFINITION.name:
            return self.is_stale(input_)
        return self.is_replaced(input_) or self.is_stale(input_)

    def stale(self) -> set[str]:
        return {id_ for id_ in self.artifacts if not self.is_replaced(id_) and self.is_stale(id_)}


Operation = tuple[str, int, int, list[int]]
operations = st.lists(
    st.tuples(
        st.sampled_from(["publish"] * 6 + ["freeze"] * 3 + ["define", "tombstone", "supersede"]),
        st.integers(0, 3),
        st.integers(0, 1),
        st.lists(st.integers(0, 30), max_size=3),
    ),
    min_size=4,
    max_size=16,
)


def perform(store: ParquetArtifactStore, known: list[str], number: int, operation: Operation) -> None:
    """Carry the operation out on artifacts that exist; what the store refuses changes nothing."""
    kind, key, value, picks = operation
    chosen = list(dict.fromkeys(known[pick % len(known)] for pick in picks)) if known else []
    try:
        if kind == "publish":
            known.append(publish(store, str(key), value, chosen))
        elif kind == "freeze" and chosen:
            known.append(freeze(store, chosen, "current" if key < 3 else "other"))
        elif kind == "define":
            sets = [id_ for id_ in known if store.get_artifact(id_).artifact_type == ARTIFACT_SET.name]
            if sets:
                known.append(define(store, f"e{number}", sets[value % len(sets)]))
        elif kind == "tombstone" and chosen:
            store.tombstone(chosen[0], reason="withdrawn")
        elif kind == "supersede" and len(chosen) > 1:
            store.supersede(chosen[0], chosen[1], reason="by hand")
    except QuantlabError:
        return


@settings(max_examples=20, deadline=None, derandomize=True)
@given(operations)
def test_stale_is_what_a_plain_reading_of_the_definition_says_and_impact_foretells_it(done: list[Operation]) -> None:
    with TemporaryDirectory() as folder:
        store = new_store(Path(folder) / "lake")
        known: list[str] = []
        for number, operation in enumerate(done):
            perform(store, known, number, operation)
        before = {item.artifact.artifact_id for item in stale(store).artifacts}
        assert before == Rows(store).stale()
        heads = [head for head in store.heads("outside") if head.artifact_id not in before]
        if heads:
            changed = heads[0]
            foretold = {item.artifact.artifact_id for item in impact(store, changed.artifact_id).artifacts}
            store.publish(free_request([99], changed.logical_key))
            assert {item.artifact.artifact_id for item in stale(store).artifacts} == before | foretold
        store.close()


def test_the_plain_reading_notices_a_wrong_answer(tmp_path: Path) -> None:
    lake = worked_lake(tmp_path)
    rows = Rows(lake.store)
    assert rows.stale() == set()
    rows.artifacts[lake.alerts] = (*rows.artifacts[lake.alerts][:2], "superseded")
    assert rows.stale() == {lake.set_id, lake.definition, lake.trades, lake.coverage}
