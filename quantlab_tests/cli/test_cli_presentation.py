"""Tables, JSON shapes and errors by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_cli.errors_to_exit_status import errors_to_exit_status
from quantlab_cli.json_shapes import artifact_json, experiment_json
from quantlab_cli.lake_command import LakeGroup
from quantlab_cli.ohlcv_commands import PRICE_UNIT_NAMES, RESOLUTION_NAMES, SOURCE_NAMES, VOLUME_UNIT_NAMES
from quantlab_cli.tables import NARROWEST, Column, fitting_widths, show_csv, show_json, show_rows, shown
from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.errors import InvalidInputError, QuantlabError
from quantlab_core.experiments.experiment import (
    DateRange,
    Experiment,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
    ExperimentStatus,
)
from quantlab_resources.candles.files.candle_declaration import AUTO, PRICE_UNITS, VOLUME_UNITS
from quantlab_resources.candles.files.formats.candle_formats import FORMATS


def ended(error: BaseException, *, debug: bool = False) -> tuple[int, str]:
    """Exit status and stderr of a command whose function raises ``error``."""

    @click.group(cls=LakeGroup)
    def group() -> None: ...

    @group.command("fail")
    @click.pass_obj
    def fail(_invocation: object) -> None:
        raise error

    result = CliRunner().invoke(group, ["fail", *(["--debug"] if debug else [])])
    return result.exit_code, result.stderr


def test_an_expected_error_is_one_line_whatever_its_message_holds() -> None:
    status, line = ended(InvalidInputError("bad\nfile \x1b[2Jname"))
    assert (status, line) == (1, "error: bad file  [2Jname\n")


def test_an_expected_error_is_found_inside_a_wrapper() -> None:
    wrapper = RuntimeError("step failed")
    wrapper.__cause__ = InvalidInputError("the cause")
    assert ended(wrapper) == (1, "error: the cause\n")


def test_a_circle_of_causes_ends() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert ended(first)[0] == 1


def test_an_unexpected_error_names_its_type_and_the_way_to_its_traceback() -> None:
    status, line = ended(KeyError("x"))
    assert (status, line) == (1, "error: unexpected KeyError: 'x'; --debug shows the traceback\n")
    status, text = ended(KeyError("x"), debug=True)
    assert status == 1
    assert text.startswith("Traceback")
    assert text.endswith("error: unexpected KeyError: 'x'\n")


def test_an_interruption_is_status_130_and_one_line() -> None:
    class DagsterExecutionInterruptedError(BaseException): ...

    for interruption in (KeyboardInterrupt(), DagsterExecutionInterruptedError()):
        status, line = ended(interruption)
        assert status == 130
        assert line.startswith("interrupted: ")
        assert line.count("\n") == 1


def test_the_name_by_which_an_interruption_is_known_is_dagsters() -> None:
    from dagster._core.errors import DagsterExecutionInterruptedError

    from quantlab_cli import errors_to_exit_status as module

    assert DagsterExecutionInterruptedError.__name__ == module._DAGSTER_INTERRUPTION
    assert not issubclass(DagsterExecutionInterruptedError, Exception)


def test_other_ways_of_ending_pass_through() -> None:
    for way in (click.UsageError("x"), click.Abort(), SystemExit(7), GeneratorExit()):
        with pytest.raises(type(way)), errors_to_exit_status(show_traceback=False):
            raise way


@given(
    columns=st.lists(st.tuples(st.integers(1, 80), st.booleans()), min_size=1, max_size=8),
    available=st.integers(20, 250),
)
@settings(deadline=None, max_examples=200, derandomize=True)
def test_a_table_fits_wherever_it_can_and_cuts_shrinking_columns_first(
    columns: list[tuple[int, bool]], available: int
) -> None:
    natural, shrinks = [width for width, _ in columns], [gives for _, gives in columns]
    widths = fitting_widths(natural, shrinks, available)
    floors = [min(width, NARROWEST) for width in natural]
    assert sum(widths) <= max(available, sum(floors))
    assert all(floor <= width <= most for floor, width, most in zip(floors, widths, natural, strict=True))
    if sum(natural) <= available:
        assert widths == natural
    if any(width < most for width, most, gives in zip(widths, natural, shrinks, strict=True) if not gives):
        assert all(width <= NARROWEST for width, gives in zip(widths, shrinks, strict=True) if gives)


ACTING = "a\x1b[31m\x7f\x9b2J\u202e\u2066\u2028\U000e0041\ud800 é 漢 🚀"


def test_json_reads_back_the_same_and_holds_nothing_that_a_terminal_would_act_upon(
    capsys: pytest.CaptureFixture[str],
) -> None:
    every = "".join(map(chr, [*range(0x20, 0x250), *range(0x2000, 0x2070)]))
    show_json({"text": ACTING, "every": every, "key\x9b": 1})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": ACTING, "every": every, "key\x9b": 1}
    assert all(line.isprintable() for line in printed.split("\n"))
    assert "é 漢 🚀" in printed


def test_csv_is_exact_in_a_pipe_and_harmless_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"name": "a\x1b]0;title\x07b\x9b\u202e\rc\td\ne", "nested": {"x": "\x7f"}, "n": 2, "none": None}]
    show_csv(rows, [])
    assert capsys.readouterr().out == (
        'name,nested,n,none\n"a\x1b]0;title\x07b\x9b\u202e\rc\td\ne","{""x"": ""\x7f""}",2,\n'
    )
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_csv(rows, [])
    assert capsys.readouterr().out == ('name,nested,n,none\n"a ]0;title b   c\td\ne","{""x"": "" ""}",2,\n')


def test_values_read_well_and_cannot_act_on_a_terminal() -> None:
    assert [shown(value) for value in (None, True, 1234567, 0.25, "a\x1b[31mb\n")] == [
        "-", "yes", "1,234,567", "0.25", "a\N{REPLACEMENT CHARACTER}[31mb\N{REPLACEMENT CHARACTER}",
    ]  # fmt: skip


@contextmanager
def printed(output_format: str) -> Iterator[list[str]]:
    lines: list[str] = []

    @click.command()
    def command() -> None:
        rows = [{"name": '[bold]a,"b"[/bold]', "n": 1, "extra": None}, {"name": "日本語", "n": 2000}]
        show_rows(rows, [Column("name", "name"), Column("n", "n", is_number=True)], output_format, nothing="none")  # type: ignore[arg-type]

    lines.extend(CliRunner().invoke(command).stdout.splitlines())
    yield lines


def test_names_are_never_taken_for_markup_and_csv_is_quoted() -> None:
    with printed("table") as lines:
        assert lines[2].split() == ['[bold]a,"b"[/bold]', "1"]
        assert lines[3].split() == ["日本語", "2,000"]
    with printed("csv") as lines:
        assert lines == ["name,n,extra", '"[bold]a,""b""[/bold]",1,', "日本語,2000,"]
    with printed("json") as lines:
        assert json.loads("\n".join(lines))[1] == {"name": "日本語", "n": 2000}


def test_optional_keys_are_left_out_but_the_time_range_of_an_artifact_is_null() -> None:
    artifact = Artifact(
        "id", "t_v1", 1, "k=v", ArtifactStatus.ACTIVE, "p", "s", "f", "c", 0, "2025-05-01T00:00:00.000Z"
    )
    assert artifact_json(artifact)["minTs"] is None
    assert artifact_json(artifact)["maxTs"] is None
    definition = ExperimentDefinition(
        experiment_id="e",
        name="n",
        inputs=ExperimentInputs(("a",), ("o",)),
        config=ExperimentConfig({"take_profit": ((1.0, 0.5),)}, DateRange(None, None)),
        provenance=ExperimentProvenance("c", False, "1.0.0", "2025-05-01T00:00:00.000Z"),
        alert_set_id="as",
        candle_set_id="cs",
    )
    document = experiment_json(Experiment(definition, "d", ExperimentStatus.PENDING))
    assert set(document) == {"experimentId", "name", "inputs", "config", "provenance", "status"}
    assert document["inputs"] == {"alerts": ["a"], "ohlcv": ["o"]}
    assert document["config"] == {"strategy": {"take_profit": [[1.0, 0.5]]}, "dateRange": {}, "params": {}}


def test_the_choices_of_the_import_are_what_the_importer_knows() -> None:
    assert tuple(RESOLUTIONS) == RESOLUTION_NAMES
    assert PRICE_UNIT_NAMES == PRICE_UNITS
    assert VOLUME_UNIT_NAMES == VOLUME_UNITS
    assert (AUTO, *FORMATS) == SOURCE_NAMES


def test_every_error_of_the_project_is_expected() -> None:
    assert issubclass(InvalidInputError, QuantlabError)
