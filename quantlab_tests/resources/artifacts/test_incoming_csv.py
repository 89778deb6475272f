"""A caller's CSV file means what it says, or is refused: never bytes for text, never half a file as one value."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.errors import InvalidInputError
from quantlab_tests.resources.artifacts.lakes import WRITER, new_store


def published_rows(folder: Path, data: bytes) -> list[dict[str, object]]:
    path = folder / "data.csv"
    path.write_bytes(data)
    store = new_store(folder / "lake")
    request = PublishRequest(
        artifact_type="outside", schema_version=1, logical_key="of=a", data=path, writer=WRITER
    )  # fmt: skip
    artifact_id = store.publish(request).artifact_id
    rows: list[dict[str, object]] = store.read(artifact_id).to_pylist()
    store.close()
    return rows


def test_quotes_line_breaks_and_a_byte_order_mark_are_read_as_csv_has_them(tmp_path: Path) -> None:
    data = '\ufeffname,n\n"say ""hi""\nthere, you",1\nplain,2\n'.encode()
    assert published_rows(tmp_path, data) == [
        {"name": 'say "hi"\nthere, you', "n": 1},
        {"name": "plain", "n": 2},
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("name\nMüller\n".encode("latin-1"), "not UTF-8 text: byte 6"),
        (b'name,n\n"open,1\nlost,2\n', "never closed"),
        (b"", "cannot be read as CSV"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        published_rows(tmp_path, data)
