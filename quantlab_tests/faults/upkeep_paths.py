"""Looking after a lake: collect garbage, move damage aside, make the manifest anew, take an earlier lake over."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import apsw

from quantlab_resources.artifacts.upkeep.garbage_collection import collect_garbage
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_resources.artifacts.upkeep.quarantine import quarantine
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.faults.lake_view import View, flaws, lake_view, store_at
from quantlab_tests.faults.scenario import WritePath
from quantlab_tests.faults.store_paths import (
    OLD,
    make_lake_to_withdraw_from,
    put_back_what_is_damaged,
    rows_only,
    store_path,
    supersede,
    tombstone,
)
from quantlab_tests.resources.adoption.earlier_store import small_earlier_lake
from quantlab_tests.resources.adoption.lakes_before_and_after import adopt

ROTTEN = b"rotten"


def make_lake_with_garbage(home: Path) -> None:
    make_lake_to_withdraw_from(home)
    supersede(home)
    tombstone(home)
    store_at(home).close()


def collect(home: Path) -> None:
    collect_garbage(store_at(home))


def collect_files_first(home: Path) -> None:
    store = store_at(home)
    Path(store.get_artifact(OLD).path_parquet).unlink()
    collect_garbage(store)


COLLECT = store_path("gc", make_lake_with_garbage, (collect,), collect_files_first)


def make_lake_with_damage(home: Path) -> None:
    make_lake_to_withdraw_from(home)
    store = store_at(home)
    damaged = Path(store.get_artifact(OLD).path_parquet)
    damaged.chmod(0o644)
    damaged.write_bytes(ROTTEN)
    store.close()


def move_damage_aside(home: Path) -> None:
    store = store_at(home)
    quarantine(store, verify(store))


def copy_damage_and_delete_it(home: Path) -> None:
    store = store_at(home)
    damaged = Path(store.get_artifact(OLD).path_parquet)
    damaged.unlink()
    (home / "artifacts" / "_quarantine").mkdir()
    (home / "artifacts" / "_quarantine" / "damaged").write_bytes(ROTTEN)


def flaws_and_lost_evidence(home: Path) -> list[str]:
    """As `flaws`; and damaged bytes are never thrown away."""
    kept = any(path.read_bytes() == ROTTEN for path in (home / "artifacts").rglob("*") if path.is_file())
    return flaws(home) + ([] if kept else ["the damaged bytes are lost"])


QUARANTINE = replace(
    store_path(
        "quarantine", make_lake_with_damage, (move_damage_aside, put_back_what_is_damaged), copy_damage_and_delete_it
    ),
    view=rows_only,
    flaws=flaws_and_lost_evidence,
)


def make_anew(home: Path) -> None:
    rebuild(store_at(home))


def delete_and_make_anew(home: Path) -> None:
    store = store_at(home)
    for suffix in ("", "-wal", "-shm"):
        store.paths.manifest_db.with_name(store.paths.manifest_db.name + suffix).unlink(missing_ok=True)
    rebuild(store)


REBUILD = store_path("rebuild", make_lake_with_garbage, (make_anew,), delete_and_make_anew)


def make_earlier_lake(home: Path) -> None:
    small_earlier_lake(home, minutes=30)


def adopt_in_place(home: Path) -> None:
    adopt(home)


def make_earlier_lake_beside(home: Path) -> None:
    small_earlier_lake(home / "earlier", minutes=30)


def adopt_into_another_home(home: Path) -> None:
    adopt(home / "earlier", into=home)


def adopt_and_choose_heads_later(home: Path) -> None:
    adopt(home)
    choose_heads_now(home)


def adopt_elsewhere_and_choose_heads_later(home: Path) -> None:
    adopt_into_another_home(home)
    choose_heads_now(home)


def choose_heads_now(home: Path) -> None:
    """Take the heads away, and put them back one by one."""
    connection = apsw.Connection(str(home / "manifest" / "manifest.sqlite"))
    rows = list(connection.execute("SELECT * FROM artifact_heads"))
    connection.execute("DELETE FROM artifact_heads")
    for row in rows:
        connection.execute(f"INSERT INTO artifact_heads VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    connection.close()
    os._exit(0)


def what_was_adopted(home: Path) -> View:
    """The heads: rows are taken over a few hundred at a time and never twice, but the heads come all at once."""
    view = {name.partition(":")[0]: rows for name, rows in lake_view(home).items()}
    return {"heads": [row[:3] for row in view.get("artifact_heads", [])]}


ADOPT = replace(
    store_path("adopt", make_earlier_lake, (adopt_in_place,), adopt_and_choose_heads_later),
    view=what_was_adopted,
    settled=lambda view: view,
)

ADOPT_ELSEWHERE = replace(
    store_path(
        "adopt_elsewhere",
        make_earlier_lake_beside,
        (adopt_into_another_home,),
        adopt_elsewhere_and_choose_heads_later,
        cases=24,
    ),
    view=what_was_adopted,
    settled=lambda view: view,
)

UPKEEP_PATHS: tuple[WritePath, ...] = (COLLECT, QUARANTINE, REBUILD, ADOPT, ADOPT_ELSEWHERE)
