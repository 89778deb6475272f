"""``quantlab experiments reproduce``, ``diff`` and ``audit``: check what is on record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.errors_to_exit_status import FAILED
from quantlab_cli.experiment_commands import experiments
from quantlab_cli.lake_command import Invocation
from quantlab_cli.run_settings import check_run_settings
from quantlab_cli.tables import Column, number_of, show_json, show_some, show_table, shown

if TYPE_CHECKING:
    from quantlab_core.experiments.verification.experiment_diff import ExperimentDiff

MOST_LINES = 20
"""So many lines of one kind are shown in a table; --format json has all."""

OUTPUT_COLUMNS = (
    Column("name", "output"),
    Column("verdict", "verdict"),
    Column("rowsDifferent", "rows that\ndiffer", is_number=True),
    Column("message", "", shrinks=True),
)
CHECK_COLUMNS = (
    Column("engine", "engine"),
    Column("check", "check"),
    Column("checked", "compared", is_number=True),
    Column("failed", "failed", is_number=True),
    Column("message", "", shrinks=True),
)
METRIC_COLUMNS = (
    Column("metric", "metric"),
    Column("a", "A", is_number=True),
    Column("b", "B", is_number=True),
    Column("difference", "B - A", is_number=True),
)
TRADE_COLUMNS = (
    Column("alertId", "alert", shrinks=True),
    Column("token", "token", shrinks=True),
    Column("a", "A"),
    Column("b", "B"),
    Column("difference", "B - A", is_number=True),
)

two_formats = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people, or all that is known as JSON.",
)


@experiments.command("reproduce")
@click.argument("experiment_id", metavar="ID")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=1e-9,
    show_default=True,
    help="Relative difference of two numbers that counts as equal.",
)
@two_formats
@click.pass_obj
def reproduce(invocation: Invocation, experiment_id: str, tolerance: float, output_format: str) -> None:
    """Run an experiment again and compare; status 1 unless every output comes out again.

    Nothing on record changes. The verdict is recorded as an artifact.
    """
    from quantlab_cli.open_lake import existing_lake, running

    lab = existing_lake(invocation)
    lab.experiments.get(experiment_id)
    check_run_settings()

    from quantlab_assets.workflows.verify_experiment import reproduce_experiment
    from quantlab_core.experiments.verification.reproduction import REPRODUCED

    with running(lab) as runs:
        verdict = reproduce_experiment(runs, experiment_id, tolerance=tolerance)
    rows = [_camel(row) for row in lab.artifacts.read(verdict.artifact_id).to_pylist()]
    outputs = [row for row in rows if row["kind"] == "output"]
    is_reproduced = all(row["verdict"] in REPRODUCED for row in outputs)
    if output_format == "json":
        show_json(
            {
                "experimentId": experiment_id,
                "artifactId": verdict.artifact_id,
                "reproduced": is_reproduced,
                **{
                    plural: [_given(row, without=("ordinal", "kind")) for row in rows if row["kind"] == kind]
                    for kind, plural in (
                        ("output", "outputs"),
                        ("difference", "differences"),
                        ("input", "inputs"),
                        ("surroundings", "surroundings"),
                        ("unchecked", "unchecked"),
                    )
                },
            }
        )
    else:
        _show_reproduction(rows, outputs, is_reproduced)
        click.echo(f"verdict: {verdict.artifact_id}")
    if not is_reproduced:
        raise SystemExit(FAILED)


def _show_reproduction(rows: Sequence[dict[str, Any]], outputs: Sequence[dict[str, Any]], is_reproduced: bool) -> None:
    show_table(outputs, OUTPUT_COLUMNS)
    differences = [
        f"{row['name']} {row['rowKey']}: {row['recorded'] or 'nothing'} -> {row['reproduced'] or 'nothing'}"
        for row in rows
        if row["kind"] == "difference"
    ]
    show_some("rows that differ, recorded -> now", differences, most=MOST_LINES)
    inputs = [f"{row['verdict']}  {row['name']}  {row['message']}" for row in rows if row["kind"] == "input"]
    show_some("inputs that are not as they were", inputs, most=MOST_LINES)
    other = [
        f"{row['name']}: {row['recorded']} -> {row['reproduced'] or 'unknown'}"
        for row in rows
        if row["kind"] == "surroundings" and row["verdict"] == "differs"
    ]
    show_some("code and surroundings that are not those of then", other, most=MOST_LINES)
    show_some(
        "not claimed",
        [f"{row['name']}: {row['message']}" for row in rows if row["kind"] == "unchecked"],
        most=MOST_LINES,
    )
    click.echo("reproduced" if is_reproduced else "not reproduced")


@experiments.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--top", type=click.IntRange(min=1), default=MOST_LINES, show_default=True, help="Trades that are shown.")
@two_formats
@click.pass_obj
def diff(invocation: Invocation, first: str, second: str, top: int, output_format: str) -> None:
    """Compare two experiments: inputs, configuration, code, metrics, and the trades that changed."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.experiments.verification.experiment_diff import diff_document
    from quantlab_resources.experiments.experiments_compared import compared_experiments

    found = compared_experiments(existing_lake(invocation), first, second)
    document = diff_document(found, most_trades=top)
    if output_format == "json":
        show_json(document)
    else:
        _show_diff(found, document)


def _show_diff(found: ExperimentDiff, document: dict[str, Any]) -> None:
    click.echo(f"A  {found.a}\nB  {found.b}")
    for title, key in (("inputs", "inputs"), ("configuration", "config"), ("code and surroundings", "code")):
        facts = [f"{fact['name']}: {shown(fact.get('a'))} -> {shown(fact.get('b'))}" for fact in document[key]]
        show_some(title, facts, most=MOST_LINES)
        if not facts:
            click.echo(f"{title}: equal")
    members = [
        f"{one['set']} {one['change']}: {one['artifactType']} {one['logicalKey']}" for one in document["members"]
    ]
    show_some("members of the frozen sets", members, most=MOST_LINES)
    for note in found.notes:
        click.echo(f"note: {note}")
    overall = [row for row in document.get("metrics", ()) if row["scope"] == "all"]
    if overall:
        click.echo()
        show_table(overall, METRIC_COLUMNS)
    if "trades" not in document:
        return
    trades = document["trades"]
    click.echo(
        f"\n{number_of(trades['changed'], 'alert')} ended otherwise ({trades['otherEntry']:,} by entry, "
        f"{trades['otherExit']:,} by exit, {trades['otherReturn']:,} by return), {trades['equal']:,} alike, "
        f"{trades['onlyA']:,} only in A, {trades['onlyB']:,} only in B"
    )
    if trades["largest"]:
        show_table(
            [{**one, "a": _outcome(one.get("a")), "b": _outcome(one.get("b"))} for one in trades["largest"]],
            TRADE_COLUMNS,
        )


def _outcome(trade: dict[str, Any] | None) -> str:
    if trade is None:
        return "-"
    if trade["status"] != "closed":
        return f"{trade['status']} ({trade.get('reason')})"
    return f"{trade['exitReason']} {trade['netReturn']:+.1%}"


@experiments.command("audit")
@click.argument("experiment_id", metavar="ID")
@click.option("--sample", type=click.IntRange(min=1), default=100, show_default=True, help="Calls that are looked at.")
@click.option("--all", "takes_all", is_flag=True, help="Look at every call.")
@click.option(
    "--instants",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    help="Instants that are drawn for each call.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of what is drawn.")
@two_formats
@click.pass_obj
def audit(
    invocation: Invocation,
    experiment_id: str,
    sample: int,
    takes_all: bool,
    instants: int,
    seed: int,
    output_format: str,
) -> None:
    """Look for look-ahead in an experiment's trades; status 1 when there is some.

    The future of each call is cut and changed, in three engines; what was known before may not change with it. What is
    found is recorded as an artifact.
    """
    from quantlab_cli.open_lake import existing_lake, running

    lab = existing_lake(invocation)
    lab.experiments.get(experiment_id)
    check_run_settings()

    from quantlab_assets.workflows.verify_experiment import audit_lookahead

    with running(lab) as runs:
        recorded = audit_lookahead(
            runs, experiment_id, calls=None if takes_all else sample, instants=instants, seed=seed
        )
    rows = [_camel(row) for row in lab.artifacts.read(recorded.artifact_id).to_pylist()]
    checks = [
        {
            "engine": row["engine"],
            "check": row["check"],
            "checked": row["nChecked"],
            "failed": row["nFailed"],
            "message": row["message"],
        }
        for row in rows
        if row["kind"] == "check"
    ]
    failures = [row for row in rows if row["kind"] == "failure"]
    looked_at = next(str(row["message"]) for row in rows if row["kind"] == "sample")
    n_failed = sum(int(row["failed"]) for row in checks)
    if output_format == "json":
        show_json(
            {
                "experimentId": experiment_id,
                "artifactId": recorded.artifact_id,
                "passed": n_failed == 0,
                "sample": looked_at,
                "checks": checks,
                "failures": [_given(row, without=("ordinal", "kind")) for row in failures],
            }
        )
    else:
        click.echo(looked_at)
        show_table(checks, CHECK_COLUMNS)
        lines = [f"{row['engine']} {row['check']}: alert {row['alertId']}: {row['message']}" for row in failures]
        show_some("failures", lines, most=MOST_LINES)
        click.echo(f"{number_of(n_failed, 'comparison')} failed" if n_failed else "nothing looks ahead")
        click.echo(f"audit: {recorded.artifact_id}")
    if n_failed:
        raise SystemExit(FAILED)


def _camel(row: dict[str, Any]) -> dict[str, Any]:
    from quantlab_cli.camel_case import camel_case

    return {camel_case(name): value for name, value in row.items()}


def _given(row: dict[str, Any], *, without: Sequence[str]) -> dict[str, Any]:
    """The row for JSON: times as text, what is absent left out."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else _finite(value)
        for name, value in row.items()
        if value is not None and name not in without
    }


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and value - value != 0.0 else value
