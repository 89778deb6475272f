"""``quantlab artifacts``: what it prints, in every format."""

from __future__ import annotations

import csv
import io
import json

import pytest

from quantlab_tests.cli.small_lake import SmallLake

ARTIFACT_KEYS = {
    "artifactId", "artifactType", "schemaVersion", "logicalKey", "status", "pathParquet", "pathSidecar", "fileHash",
    "contentHash", "rowCount", "minTs", "maxTs", "createdAt",
}  # fmt: skip
HOSTILE = ["x' OR '1'='1", '"; DROP TABLE artifacts; --', "../../etc/passwd", "%", "\x1b[31mred", "a" * 5_000]


def test_the_list_has_the_requirements_keys_newest_first(small_lake: SmallLake) -> None:
    found = small_lake.json("artifacts", "list")
    assert {frozenset(artifact) for artifact in found} == {frozenset(ARTIFACT_KEYS)}
    created = [artifact["createdAt"] for artifact in found]
    assert created == sorted(created, reverse=True)


def test_filters_narrow_the_list(small_lake: SmallLake) -> None:
    alerts = small_lake.json("artifacts", "list", "--type", "alerts_v1", "--status", "active")
    assert {artifact["logicalKey"] for artifact in alerts if artifact["rowCount"]} == {
        "day=2025-05-01/chain=solana",
        "day=2025-05-02/chain=solana",
    }
    assert small_lake.json("artifacts", "list", "--min-created-at", "2999-01-01") == []
    assert small_lake.json("artifacts", "list", "--max-created-at", "2001-01-01") == []
    assert small_lake.json("artifacts", "list", "--tag", "no=such") == []


def test_a_cut_list_says_so_on_stderr(small_lake: SmallLake) -> None:
    cut = small_lake.call("artifacts", "list", "--limit", "2", "--format", "csv")
    assert len(cut.stdout.splitlines()) == 3
    assert cut.stderr == "the list is cut at 2; --limit shows more\n"
    whole = small_lake.call("artifacts", "list", "--limit", "10000")
    assert whole.stderr == ""


def test_csv_and_piped_tables_hold_every_character_of_every_id(small_lake: SmallLake) -> None:
    ids = [artifact["artifactId"] for artifact in small_lake.json("artifacts", "list", "--limit", "1000")]
    rows = csv.DictReader(
        io.StringIO(small_lake.call("artifacts", "list", "--limit", "1000", "--format", "csv").stdout)
    )
    assert [row["artifactId"] for row in rows] == ids
    table = small_lake.call("artifacts", "list", "--limit", "1000").stdout
    assert all(artifact_id in table for artifact_id in ids)
    assert "…" not in table


def test_an_empty_csv_still_has_its_heading(small_lake: SmallLake) -> None:
    empty = small_lake.call("artifacts", "list", "--type", "no_such_type", "--format", "csv")
    assert empty.stdout.startswith("artifactId,")
    assert len(empty.stdout.splitlines()) == 1
    assert small_lake.call("artifacts", "list", "--type", "no_such_type").stdout == "no artifact matches\n"


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_filters_match_nothing_and_break_nothing(small_lake: SmallLake, value: str) -> None:
    before = small_lake.artifact_ids()
    assert small_lake.json("artifacts", "list", "--type", value) == []
    assert small_lake.json("artifacts", "list", "--tag", f"{value.replace('=', '')}={value}") == []
    assert small_lake.json("artifacts", "find", "--type", value, "--key", value) == []
    assert small_lake.artifact_ids() == before


@pytest.mark.parametrize("artifact_id", HOSTILE)
@pytest.mark.parametrize("command", ["get", "lineage", "downstream"])
def test_an_unknown_id_is_one_line_and_status_1(small_lake: SmallLake, command: str, artifact_id: str) -> None:
    result = small_lake.call("artifacts", command, artifact_id)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "not found" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_get_and_find_show_the_same_artifact(small_lake: SmallLake) -> None:
    (listed,) = small_lake.json("artifacts", "list", "--type", "token_calls_v1")
    shown = small_lake.json("artifacts", "get", listed["artifactId"])
    assert shown == listed | {"tags": shown["tags"], "publications": shown["publications"]}
    assert [publication["deduped"] for publication in shown["publications"]] == [False]
    assert shown["publications"][0]["inputArtifactIds"]
    found = small_lake.json("artifacts", "find", "--type", "token_calls_v1", "--key", listed["logicalKey"])
    assert found == [listed]
    facts = small_lake.call("artifacts", "get", listed["artifactId"]).stdout
    assert listed["contentHash"] in facts
    assert "published      once" in facts
    assert f"inputs         {len(shown['publications'][0]['inputArtifactIds'])}" in facts


def test_lineage_of_the_metrics_ends_at_both_raw_files(small_lake: SmallLake) -> None:
    metrics = small_lake.json("experiments", "get", small_lake.experiment_id)["outputs"]["metrics"]
    whole = small_lake.json("artifacts", "lineage", metrics, "--depth", "all")
    assert set(whole) == {"artifactId", "inputs", "depth"}
    assert whole["artifactId"] == metrics
    raw = {
        artifact["logicalKey"].split("/")[0]
        for artifact in whole["inputs"]
        if artifact["artifactType"] == "raw_file_v1"
    }
    assert raw == {"kind=telegram_export", "kind=candle_file"}
    near = small_lake.json("artifacts", "lineage", metrics)
    assert 0 < len(near["inputs"]) < len(whole["inputs"])


def test_the_lineage_tree_draws_each_artifact_once(small_lake: SmallLake) -> None:
    metrics = small_lake.json("experiments", "get", small_lake.experiment_id)["outputs"]["metrics"]
    whole = small_lake.json("artifacts", "lineage", metrics, "--depth", "all")
    tree = small_lake.call("artifacts", "lineage", metrics, "--depth", "all").stdout
    lines = tree.splitlines()
    assert lines[0].startswith(f"{metrics}  experiment_metrics")
    for artifact in whole["inputs"]:
        drawn = [line for line in lines if artifact["artifactId"] in line and "see above" not in line]
        is_leaf = artifact["artifactType"] == "raw_file_v1"
        assert drawn if is_leaf else len(drawn) == 1, artifact["logicalKey"]


def test_downstream_of_the_export_reaches_the_trades(small_lake: SmallLake) -> None:
    raw = next(
        artifact
        for artifact in small_lake.json("artifacts", "list", "--type", "raw_file_v1")
        if "telegram_export" in artifact["logicalKey"]
    )
    whole = small_lake.json("artifacts", "downstream", raw["artifactId"], "--depth", "all")
    assert "experiment_trades" in {artifact["artifactType"] for artifact in whole}
    near = small_lake.json("artifacts", "downstream", raw["artifactId"])
    assert {artifact["artifactType"] for artifact in near} <= {
        "telegram_messages_v1",
        "message_dispositions_v1",
        "alerts_quarantine",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("lineage", "x", "--depth", "0"),
        ("lineage", "x", "--depth", "some"),
        ("list", "--limit", "0"),
        ("list", "--status", "fine"),
        ("list", "--tag", "noequals"),
        ("list", "--format", "xml"),
        ("get",),
    ],
)
def test_wrong_usage_is_status_2(small_lake: SmallLake, arguments: tuple[str, ...]) -> None:
    assert small_lake.call("artifacts", *arguments).exit_code == 2


def test_json_survives_a_round_trip(small_lake: SmallLake) -> None:
    text = small_lake.call("artifacts", "list", "--format", "json").stdout
    assert json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n" == text
