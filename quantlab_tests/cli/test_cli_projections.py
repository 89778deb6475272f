"""``quantlab projections`` on a lake of its own: what it builds, tells and deletes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_cli.tables import size_text
from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import call_quantlab

WRITER = Writer("test", "1", "0" * 40, False)


class PriceLake:
    """A lake with artifacts of a type from outside, one per token."""

    def __init__(self, home: Path) -> None:
        self.home = home
        Lab.create(home)

    def publish(self, token: str, *prices: float) -> str:
        times = pa.array(range(len(prices)), pa.timestamp("us", tz="UTC"))
        table = pa.table({"token": [token] * len(prices), "ts": times, "price": list(prices)})
        request = PublishRequest("prices", 1, f"token={token}", table, WRITER)
        return Lab(self.home).artifacts.publish(request).artifact.artifact_id

    def call(self, *arguments: str) -> str:
        result = call_quantlab("projections", *arguments, home=self.home)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> list[dict]:
        import json

        found: list[dict] = json.loads(self.call(*arguments, "--format", "json"))
        return found


@pytest.fixture
def lake(plain_environment: None, tmp_path: Path) -> PriceLake:
    return PriceLake(tmp_path / "lake")


def test_any_tables_with_indexes_are_built_and_shown(lake: PriceLake) -> None:
    a, b = lake.publish("A", 1.0, 2.0), lake.publish("B", 3.0)
    shown = lake.call("build", "p", "--table", f"prices={a},{b}", "--table", f"only_b={b}", "--index", "prices:price")
    assert "prices (3), only_b (1)" in shown
    assert "prices: ART index idx_prices_price" in shown
    (projection,) = lake.json("get", "p")
    assert projection["artifactCount"] == 2
    assert projection["totalRows"] == 4
    assert [table["columns"][-2:] for table in projection["tables"]] == [["_token_id", "_source_id"]] * 2


def test_what_was_superseded_shows_until_the_refresh(lake: PriceLake) -> None:
    lake.json("build", "p", "--table", f"prices={lake.publish('A', 1.0)}")
    assert [(p["state"], p["exists"]) for p in lake.json("list")] == [("fresh", True)]
    lake.publish("A", 2.0, 3.0)
    assert "stale: 1 superseded" in lake.call("list")
    (stale,) = lake.json("list")
    assert (stale["state"], stale["superseded"], stale["withdrawn"], stale["added"]) == ("stale", 1, 0, 1)
    assert lake.json("refresh", "p")[0]["totalRows"] == 2
    assert lake.json("list")[0]["state"] == "fresh"


def test_making_room_shows_first_and_deletes_when_told(lake: PriceLake) -> None:
    prices = f"prices={lake.publish('A', 1.0)}"
    for name in ("first", "second"):
        lake.call("build", name, "--table", prices)
    size = lake.json("list")[0]["byteSize"]
    shown = lake.call("evict", "--max-size", str(size))
    assert f"1 would be deleted (--apply deletes them); {size_text(size)} stay" in shown
    assert all(p["exists"] for p in lake.json("list"))
    assert [p["projectionId"] for p in lake.json("evict", "--max-size", str(size), "--apply")] == ["first"]
    assert "nothing to delete" in lake.call("evict", "--max-size", "1GB")
    assert "no file; fresh" in lake.call("list")


def test_a_build_may_make_room_and_keeps_what_it_built(lake: PriceLake) -> None:
    prices = f"prices={lake.publish('A', 1.0)}"
    lake.call("build", "first", "--table", prices)
    result = call_quantlab("projections", "build", "new", "--table", prices, "--max-size", "1kB", home=lake.home)
    assert "deleted first (" in result.stderr
    assert {p["projectionId"]: p["exists"] for p in lake.json("list")} == {"first": False, "new": True}


def test_a_dataset_in_another_folder(lake: PriceLake, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    prices = f"prices={lake.publish('A', 1.0)}"
    (built,) = lake.json("build", "d", "--table", prices, "--as", "dataset", "--cache-dir", str(elsewhere))
    assert built["form"] == "dataset"
    assert built["duckdbPath"] == str(elsewhere / "d")
    assert len(list((elsewhere / "d").glob("bucket=*/month=1970-01/part-0.parquet"))) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "p"),
        ("build", "p", "--table", "prices"),
        ("build", "p", "--table", "prices="),
        ("build", "p", "--table", "prices=x", "--index", "prices"),
        ("build", "p", "--table", "prices=x", "--max-size", "five"),
        ("build", "p", "--table", "prices=x", "--as", "csv"),
        ("evict",),
        ("evict", "--max-size", "-1"),
    ],
)
def test_wrong_usage_is_told_apart_from_errors(lake: PriceLake, arguments: tuple[str, ...]) -> None:
    assert call_quantlab("projections", *arguments, home=lake.home).exit_code == 2


def test_sizes_are_read_as_people_write_them() -> None:
    import click

    from quantlab_cli.projection_arguments import parse_size

    command = click.Command("x")
    option = click.Option(["--max-size"])
    sizes = {"5GB": 5 * 10**9, "500MiB": 500 * 2**20, "1000": 1000, "1.5 kb": 1500, "2g": 2 * 10**9, "1TiB": 2**40}
    assert {text: parse_size(click.Context(command), option, text) for text in sizes} == sizes
