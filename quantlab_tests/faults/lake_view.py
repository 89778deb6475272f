"""What a reader sees of a lake: every row of the manifest but for the times, and every table behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quantlab_core.errors import IntegrityError, LakeNotFoundError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import ProblemKind, verify
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths

View = dict[str, list[tuple[Any, ...]]]

NO_LAKE: View = {}
NOT_WHOLE = "gone or damaged"
LOST = {ProblemKind.MISSING, ProblemKind.DAMAGED}
OF_THE_MOMENT = {"at", "created_at", "applied_at", "sha256"}
"""Columns that differ between equal lakes: times, and the hash of an event file, which holds a time."""
PER_ATTEMPT = {"seq", "ordinal", "published_seq", "attempt"}
"""Columns that count how often something was tried."""
RECORDS_OF_ATTEMPTS = {"publications", "publication_inputs", "events", "experiment_journal"}


def store_at(home: Path) -> ParquetArtifactStore:
    return ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=SystemClock())


def lake_view(home: Path) -> View:
    """Rows by table, and the rows of every artifact, read and verified; `NO_LAKE` when there is none."""
    store = store_at(home)
    try:
        with store.manifest.reading() as connection:
            tables = [
                row[0]
                for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
                if not row[0].startswith("sqlite_") and row[0] != "schema_migrations"
            ]
            view = {}
            for table in tables:
                columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
                kept = [column for column in columns if column not in OF_THE_MOMENT]
                listed = ", ".join(f'"{column}"' for column in kept)
                rows = connection.execute(f'SELECT {listed} FROM "{table}"')  # noqa: S608 - names of the schema
                view[table + ":" + ",".join(kept)] = sorted(rows, key=repr)
            readable = [row[0] for row in connection.execute(_READABLE)]
        view["content"] = [(artifact_id, _content(store, artifact_id)) for artifact_id in readable]
    except LakeNotFoundError:
        return NO_LAKE
    except IntegrityError as error:
        return {"refused": [(str(error),)]}
    finally:
        store.close()
    return view


def _content(store: ParquetArtifactStore, artifact_id: str) -> str:
    try:
        return repr(store.read(artifact_id).to_pydict())
    except IntegrityError:
        return NOT_WHOLE


_READABLE = (
    "SELECT artifact_id FROM artifacts WHERE artifact_id NOT IN (SELECT artifact_id FROM collections) ORDER BY 1"
)


def settled(view: View) -> Mapping[str, list[tuple[Any, ...]]]:
    """The view without what counts attempts: what every way to the same end must show."""
    found = {"content": view.get("content", [])}
    for name, rows in view.items():
        table, _, listed = name.partition(":")
        if table in RECORDS_OF_ATTEMPTS or not listed:
            continue
        columns = listed.split(",")
        places = [place for place, column in enumerate(columns) if column not in PER_ATTEMPT]
        found[table] = sorted({tuple(row[place] for place in places) for row in rows}, key=repr)
    for name, rows in view.items():
        if name.startswith("experiment_journal:"):
            found["experiments"] = _last_states(name.partition(":")[2].split(","), rows)
    return found


def _last_states(columns: list[str], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    entries = sorted((dict(zip(columns, row, strict=True)) for row in rows), key=lambda entry: entry["seq"])
    last = {entry["experiment_id"]: (entry["experiment_id"], entry["status"], entry["outputs"]) for entry in entries}
    return sorted(last.values())


def flaws(home: Path) -> list[str]:
    """What deep verification finds, and numbers of events that are missing or have no file."""
    store = store_at(home)
    try:
        found = [
            f"{problem.path} is {NOT_WHOLE}" if problem.kind in LOST else problem.detail
            for problem in verify(store, deep=True).problems
        ]
        with store.manifest.reading() as connection:
            numbers = [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY seq")]
            found += [str(row) for row in connection.execute("PRAGMA foreign_key_check")]
            found += [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"numbers of events have gaps: {numbers}")
    except LakeNotFoundError:
        return []
    except IntegrityError as error:
        return [str(error)]
    finally:
        store.close()
    return found


def clean_up(home: Path) -> bool:
    """Clear what crashes left behind, and say whether there was anything."""
    store = store_at(home)
    try:
        return not recover(store).is_clean
    finally:
        store.close()
