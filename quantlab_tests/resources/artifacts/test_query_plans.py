"""Every question about artifacts goes through an index: its time does not grow with the lake.

SQLite keeps no statistics of a manifest, so a plan is the same for ten rows as for a million.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from quantlab_core.artifacts.artifact import ArtifactFilter, ArtifactStatus
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.manifest import manifest_queries, publication_log
from quantlab_tests.resources.artifacts.lakes import free_request, new_store

Question = Callable[[apsw.Connection], object]
TYPE, KEY, TAG = "outside", "of=1", {"colour": "red"}


def listing(**conditions: Any) -> Question:
    return lambda connection: manifest_queries.list_artifacts(connection, ArtifactFilter(**conditions))


QUESTIONS: dict[str, tuple[Question, str]] = {
    "get": (
        lambda c: manifest_queries.find(c, "x"),
        "SEARCH a USING INDEX sqlite_autoindex_artifacts_1 (artifact_id=?)",
    ),
    "get_many": (lambda c: manifest_queries.get_many(c, ["x"]), "SEARCH a USING INDEX sqlite_autoindex_artifacts_1"),
    "unknown_ids": (lambda c: manifest_queries.unknown_ids(c, ["x"]), "USING INDEX sqlite_autoindex_artifacts_1"),
    "find": (
        lambda c: manifest_queries.find_by_logical_key(c, TYPE, KEY),
        "SEARCH a USING INDEX idx_artifacts_type_key (artifact_type=? AND logical_key=?)",
    ),
    "find content": (
        lambda c: manifest_queries.find_content(c, TYPE, 1, KEY, "x"),
        "idx_artifacts_type_key_content (artifact_type=? AND logical_key=? AND content_hash=?)",
    ),
    "list": (listing(), "SCAN a USING INDEX idx_artifacts_created"),
    "list active": (listing(status=ArtifactStatus.ACTIVE), "SCAN a USING INDEX idx_artifacts_created"),
    "list withdrawn": (listing(status=ArtifactStatus.TOMBSTONED), "idx_artifacts_replaced (status=?)"),
    "list of type": (listing(artifact_type=TYPE), "idx_artifacts_type_created (artifact_type=?)"),
    "list of type and status": (
        listing(artifact_type=TYPE, status=ArtifactStatus.SUPERSEDED),
        "idx_artifacts_type_status_created (artifact_type=? AND status=?)",
    ),
    "list created": (listing(min_created_at="2026-01-01"), "idx_artifacts_created (created_at>?)"),
    "list of tag": (listing(tags=TAG), "SEARCH t USING COVERING INDEX idx_tagged_created (k=? AND v=?)"),
    "list of type and tag": (
        listing(artifact_type=TYPE, tags=TAG, max_created_at="2026-01-01"),
        "SEARCH t USING PRIMARY KEY (k=? AND v=? AND artifact_type=? AND created_at<?)",
    ),
    "heads": (
        lambda c: manifest_queries.heads(c, TYPE, "of="),
        "SEARCH h USING PRIMARY KEY (artifact_type=? AND logical_key>? AND logical_key<?)",
    ),
    "adopted": (lambda c: manifest_queries.adopted(c, TYPE, "of="), "SEARCH a USING INDEX idx_artifacts_type_key"),
    "lineage": (
        lambda c: manifest_queries.lineage(c, "x", 3),
        "SEARCH l USING COVERING INDEX sqlite_autoindex_artifact_lineage_1 (artifact_id=?)",
    ),
    "downstream": (
        lambda c: manifest_queries.downstream(c, "x", 3),
        "SEARCH l USING COVERING INDEX idx_lineage_input (input_artifact_id=?)",
    ),
    "descendants": (lambda c: manifest_queries.descendants(c, "x"), "idx_lineage_input (input_artifact_id=?)"),
    "publications": (lambda c: publication_log.publications(c, "x"), "idx_publications_artifact (artifact_id=?)"),
    "supersession": (
        lambda c: manifest_queries.supersedes_transitively(c, "x", "y"),
        "sqlite_autoindex_artifact_supersedes_1 (artifact_id=?)",
    ),
}


def plan_of(connection: apsw.Connection, question: Question) -> list[str]:
    """The lines of the plans of every statement that the question runs."""
    asked: list[tuple[str, Any]] = []
    connection.exec_trace = lambda _cursor, sql, bindings: asked.append((sql, bindings)) or True
    question(connection)
    connection.exec_trace = None
    return [
        str(line[3]) for sql, bindings in asked for line in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)
    ]


def dear_steps(plan: list[str]) -> list[str]:
    """Steps that read a table from end to end or sort more than ties."""
    table = r"SCAN (?:a|l|h|t|p|d|s|artifact\w*|publication\w*|tagged)\b(?! USING INDEX idx_artifacts_created)"
    return [step for step in plan if re.match(table, step) or step == "USE TEMP B-TREE FOR ORDER BY"]


@pytest.fixture
def store(tmp_path: Path) -> ParquetArtifactStore:
    return new_store(tmp_path)


SMALL_SORTS = {"find", "find content"}
"""They sort the versions of one key."""


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_question_goes_through_the_index_that_serves_it(store: ParquetArtifactStore, name: str) -> None:
    question, expected = QUESTIONS[name]
    with store.manifest.reading() as connection:
        plan = plan_of(connection, question)
    assert any(expected in step for step in plan), plan
    assert [step for step in dear_steps(plan) if name not in SMALL_SORTS] == []


def test_a_scan_and_a_sort_are_noticed(store: ParquetArtifactStore) -> None:
    with store.manifest.reading() as connection:
        query = "SELECT * FROM artifacts a WHERE a.row_count > ? ORDER BY a.row_count"
        plan = plan_of(connection, lambda c: c.execute(query, (1,)).fetchall())
    assert dear_steps(plan) == ["SCAN a", "USE TEMP B-TREE FOR ORDER BY"]


def test_lists_by_tags_type_and_status_are_right_whichever_way_they_go(
    store: ParquetArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        free_request(
            [number],
            f"of={number % 7}",
            type_=("outside", "elsewhere")[number % 2],
            tags={"colour": ("red", "blue")[number % 3 == 0], "size": str(number % 4)},
        )
        for number in range(24)
    ]
    for request in requests:
        store.publish(request)
    everything = store.list_artifacts(ArtifactFilter(limit=None)).artifacts
    tags = {artifact.artifact_id: dict(store.tags(artifact.artifact_id)) for artifact in everything}
    for many in (1, 1_000):  # every tag is frequent, or none
        monkeypatch.setattr(manifest_queries, "_MANY", many)
        for type_ in (None, "outside"):
            for status in (None, *ArtifactStatus):
                for wanted in ({}, {"colour": "red"}, {"colour": "red", "size": "2"}, {"colour": "green"}):
                    expected = [
                        artifact
                        for artifact in everything
                        if type_ in (None, artifact.artifact_type)
                        and status in (None, artifact.status)
                        and wanted.items() <= tags[artifact.artifact_id].items()
                    ]
                    asked = ArtifactFilter(type_, status, wanted, limit=None)
                    assert list(store.list_artifacts(asked).artifacts) == expected, asked
