"""docs/operations.md and deploy/systemd: commands that exist, units that systemd accepts and that open nothing."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quantlab_tests.cli.small_lake import call_quantlab

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
COMMANDS = sorted(set(re.findall(r"^ {4}(quantlab .+)$|`(quantlab [a-z][^`]+)`", PAGE, re.MULTILINE)))


class Repeating(dict[str, str]):
    """Keys of a unit may be repeated: their values are joined, one a line."""

    def __setitem__(self, key: str, value: str | list[str]) -> None:
        if isinstance(value, list) and key in self:
            value = [*self[key], *value]  # the parser still collects lines
        super().__setitem__(key, value)  # type: ignore[assignment]


def service(unit: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False, dict_type=Repeating, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text(encoding="utf-8"))
    return dict(parser["Service"])


@pytest.mark.parametrize("line", [plain or quoted for plain, quoted in COMMANDS])
def test_the_command_on_the_page_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)[1:]
    found = call_quantlab(*words[:2], "--help")
    assert found.exit_code == 0, line
    for option in [word for word in words if word.startswith("--")]:
        assert option in found.output, line


def test_the_page_names_every_unit_and_only_folders_that_are_there() -> None:
    assert {unit.stem for unit in UNITS} == {"quantlab-web", "quantlab-daemon", "quantlab-backup"}
    for unit in UNITS:
        assert unit.stem in PAGE, unit


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_runs_as_its_own_user_and_may_write_to_its_own_folders_only(unit: Path) -> None:
    said = service(unit)
    assert (said["User"], said["NoNewPrivileges"], said["ProtectSystem"], said["ProtectHome"]) == (
        "quantlab", "yes", "strict", "yes",
    )  # fmt: skip
    assert said["CapabilityBoundingSet"] == ""
    assert said.get("ReadWritePaths", "") in ("", "/srv/backup")
    for line in said["ExecStart"].splitlines():
        program = Path(shlex.split(line)[0])
        assert program.parent == Path("/opt/quantlab/.venv/bin")
        assert (Path(sys.executable).parent / program.name).exists() or program.name == "quantlab"
    assert "0.0.0.0" not in unit.read_text(encoding="utf-8")  # noqa: S104 - that it is not there
    if "webserver" in said["ExecStart"]:
        assert "-h 127.0.0.1" in said["ExecStart"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here to check its units")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = shutil.which("true")
    for unit in UNITS:
        # Neither the programs nor the user are on the machine of the test.
        text = re.sub(r"^(ExecStart=)\S+", rf"\1{program}", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(re.sub(r"=quantlab$", "=nobody", text, flags=re.MULTILINE), "utf-8")
    line = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    ours = [said for said in done.stderr.splitlines() if "quantlab" in said and "nobody" not in said]
    assert (done.returncode, ours) == (0, []), done.stderr
