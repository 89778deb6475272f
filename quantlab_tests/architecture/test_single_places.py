"""What must happen in one place only: opening the manifest, writing Parquet, opening DuckDB files for writing, and
touching the files of artifacts."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("quantlab_core", "quantlab_resources", "quantlab_assets", "quantlab_cli")

MANIFEST_MODULE = "quantlab_resources/artifacts/manifest/manifest_file.py"
DAGSTER_STORAGE_MODULE = "quantlab_resources/backup/dagster_storage_copy.py"
"""Copies files that are Dagster's, with the SQLite that Dagster uses."""
PARQUET_MODULE = "quantlab_resources/artifacts/files/parquet_files.py"
DUCKDB_WRITERS = {
    "quantlab_resources/projections/duckdb_file.py",
    "quantlab_resources/experiments/experiment_index.py",
}
ARTIFACTS = "quantlab_resources/artifacts/"
FILE_MODULES = {
    "files/local_artifact_files.py",  # the adapter of the port `ArtifactFiles`, with the steps it is made of:
    "files/durable_files.py",
    "manifest/manifest.py",  # manifest and events are local by design
    "manifest/manifest_file.py",
    "events/event_files.py",
    "files/owner_of_files.py",  # which manifest the local folder belongs to
    "incoming_files.py",  # what a caller hands in
    "upkeep/last_verification.py",  # a disposable note of what was found
    "upkeep/lake_status.py",  # sizes of the parts that are always local
}
SHOW_LOCATIONS = {
    "quantlab_cli/json_shapes.py",
    "quantlab_resources/dagster_io/materialization_metadata.py",
    "quantlab_resources/projections/stored_inputs.py",  # the name, whose local file is verified for DuckDB
    "quantlab_resources/projections/member_candles.py",  # the name, whose bytes the adapter gives and the hash checks
}
FILE_LIBRARIES = {"os", "io", "shutil", "tempfile", "glob", "fcntl", "mmap"}
FILE_MODULES_OF_OURS = {"quantlab_resources.artifacts.files.durable_files", "quantlab_resources.folder_listing"}
NO_FILE_CALLS = {"os.fsencode", "os.fsdecode", "os.getpid", "io.BytesIO"}
FILE_METHODS = {
    "open", "read_bytes", "read_text", "write_bytes", "write_text", "iterdir", "glob", "rglob", "walk", "scandir",
    "stat", "lstat", "exists", "is_file", "is_dir", "is_symlink", "mkdir", "rmdir", "touch", "chmod", "unlink",
    "rename", "hardlink_to", "symlink_to",
}  # fmt: skip

PARQUET_WRITES = {
    "ParquetWriter",
    "write_table",
    "write_to_dataset",
    "write_dataset",
    "write_parquet",
    "to_parquet",
    "sink_parquet",
}
COPY_TO = re.compile(r"\bCOPY\b.*\bTO\b", re.IGNORECASE | re.DOTALL)
ATTACH = re.compile(r"\bATTACH\b", re.IGNORECASE)


def calls(tree: ast.AST) -> Iterable[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def statements(tree: ast.AST) -> Iterable[tuple[int, str]]:
    """Text that is run as SQL may stand anywhere but in a docstring: f-strings are joined."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    pieces = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | pieces:
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [piece.value if isinstance(piece, ast.Constant) else "?" for piece in node.values]
            yield node.lineno, "".join(str(part) for part in parts)


def sqlite_openings(source: str) -> list[int]:
    """Lines that open an SQLite file, or import the other SQLite library."""
    tree = ast.parse(source)
    opened = [call.lineno for call in calls(tree) if ast.unparse(call.func) in ("apsw.Connection", "Connection")]
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return opened + [node.lineno for node in imports if "sqlite3" in ast.unparse(node)]


def parquet_writings(source: str) -> list[int]:
    """Lines that write Parquet by a library's function or by SQL."""
    tree = ast.parse(source)
    # Bare names are the project's own functions; a library's are reached through its module or its object.
    attributes = (
        call for call in calls(tree) if isinstance(call.func, ast.Attribute) and call.func.attr in PARQUET_WRITES
    )
    imported = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("pyarrow", "polars", "pandas"))
        and any(alias.name in PARQUET_WRITES for alias in node.names)
    )
    copies = [line for line, text in statements(tree) if COPY_TO.search(text)]
    return [node.lineno for node in (*attributes, *imported)] + copies


def duckdb_openings_for_writing(source: str) -> list[int]:
    """Lines that open a DuckDB file without asking for read-only access."""
    tree = ast.parse(source)
    found = []
    for call in calls(tree):
        if ast.unparse(call.func) != "duckdb.connect":
            continue
        target = call.args[0] if call.args else None
        in_memory = target is None or (isinstance(target, ast.Constant) and target.value == ":memory:")
        read_only = any(
            keyword.arg == "read_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            for keyword in call.keywords
        )
        found += [] if in_memory or read_only else [call.lineno]
    attached = [line for line, text in statements(tree) if ATTACH.search(text) and "READ_ONLY" not in text.upper()]
    return found + attached


def file_touches(source: str) -> list[int]:
    """Lines that open, list, link, rename or remove files, or import what does."""
    tree = ast.parse(source)
    found = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in FILE_MODULES_OF_OURS | FILE_LIBRARIES
    ]
    for call in calls(tree):
        name = ast.unparse(call.func)
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        library = name.removesuffix(f".{method}")
        # Text is replaced with two arguments, a path with one.
        replaces_a_file = method == "replace" and len(call.args) + len(call.keywords) == 1
        from_library = library in FILE_LIBRARIES and name not in NO_FILE_CALLS
        found += [call.lineno] if name == "open" or method in FILE_METHODS or replaces_a_file or from_library else []
    return found


def uses_of_locations(source: str) -> list[int]:
    """Lines that take the location of an artifact's file, which is for people: tables come from the store, verified."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in ("path_parquet", "path_sidecar")
    ]


def places(check: Callable[[str], list[int]]) -> set[str]:
    """Modules of the project in which the check finds something."""
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert modules
    return {path.relative_to(ROOT).as_posix() for path in modules if check(path.read_text(encoding="utf-8"))}


def test_the_manifest_is_opened_by_one_module() -> None:
    assert places(sqlite_openings) == {MANIFEST_MODULE, DAGSTER_STORAGE_MODULE}


def test_parquet_is_written_by_one_module() -> None:
    assert places(parquet_writings) == {PARQUET_MODULE}


def test_duckdb_files_are_written_by_the_projection_builder_and_the_experiment_index_only() -> None:
    assert places(duckdb_openings_for_writing) <= DUCKDB_WRITERS


def test_files_of_artifacts_are_touched_by_one_adapter() -> None:
    found = {place for place in places(file_touches) if place.startswith(ARTIFACTS)}
    assert found == {ARTIFACTS + module for module in FILE_MODULES}


def test_the_location_of_an_artifact_is_shown_and_never_opened_outside_the_store() -> None:
    assert {place for place in places(uses_of_locations) if not place.startswith(ARTIFACTS)} <= SHOW_LOCATIONS


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (sqlite_openings, "import apsw\napsw.Connection('manifest.sqlite')"),
        (sqlite_openings, "import sqlite3"),
        (sqlite_openings, "from sqlite3 import connect"),
        (parquet_writings, "import pyarrow.parquet as pq\npq.write_table(table, 'x')"),
        (parquet_writings, "import pyarrow.parquet as pq\nwith pq.ParquetWriter('x', schema): pass"),
        (parquet_writings, "from pyarrow.parquet import write_table"),
        (parquet_writings, "frame.write_parquet('x')"),
        (parquet_writings, "frame.lazy().sink_parquet('x')"),
        (parquet_writings, "frame.to_parquet('x')"),
        (parquet_writings, "connection.execute(f\"COPY trades TO '{path}' (FORMAT parquet)\")"),
        (duckdb_openings_for_writing, "import duckdb\nduckdb.connect(str(path))"),
        (duckdb_openings_for_writing, "import duckdb\nduckdb.connect(path, read_only=flag)"),
        (duckdb_openings_for_writing, "connection.execute(f\"ATTACH '{path}' AS file\")"),
        (file_touches, "with open(path) as file: pass"),
        (file_touches, "path.read_bytes()"),
        (file_touches, "staged.replace(final)"),
        (file_touches, "import os\nos.link(staged, final)"),
        (file_touches, "from os import scandir"),
        (file_touches, "import shutil\nshutil.move(a, b)"),
        (file_touches, "list(folder.rglob('*'))"),
        (file_touches, "from quantlab_resources.artifacts.files.durable_files import replace_durably"),
        (uses_of_locations, "import polars as pl\npl.read_parquet(artifact.path_parquet)"),
    ],
)
def test_a_planted_second_place_is_found(check: Callable[[str], list[int]], source: str) -> None:
    assert check(source)


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (sqlite_openings, "import apsw\ndef f(connection: apsw.Connection) -> None: ..."),
        (parquet_writings, '"""How we COPY rows TO a table."""\nimport pyarrow.parquet as pq\npq.read_table("x")'),
        (
            duckdb_openings_for_writing,
            "import duckdb\nduckdb.connect(':memory:')\nduckdb.connect(path, read_only=True)",
        ),
        (duckdb_openings_for_writing, "connection.execute(f\"ATTACH '{path}' AS file (READ_ONLY)\")"),
        (
            file_touches,
            "import io\nfiles.read(name).replace(b'a', b'b')\nio.BytesIO(data).read()\nreplace(artifact, row_count=1)",
        ),
        (uses_of_locations, "Artifact(path_parquet=name)"),
    ],
)
def test_what_is_allowed_is_left_alone(check: Callable[[str], list[int]], source: str) -> None:
    assert check(source) == []


def test_lakes_are_copied_by_another_process() -> None:
    """`copied_lake` says why; copying within the process damaged a manifest that other tests had open."""
    copies = re.compile(r"copytree\((?!ROOT / package\b)(?!.*dirs_exist_ok)")
    tests = (path for path in (ROOT / "quantlab_tests").rglob("*.py") if path != Path(__file__))
    assert [str(path) for path in tests if copies.search(path.read_text(encoding="utf-8"))] == []
