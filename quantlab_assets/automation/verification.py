"""Every night another share of the stored files is checked against the manifest; damage fails the run."""

from datetime import UTC, date

import dagster as dg

from quantlab_core.errors import LakeNotFoundError
from quantlab_resources.dagster_io.lab_resource import LabResource

PARTS = 28
"""So many nights check every file once."""
MOST_NAMED = 5


@dg.op(
    required_resource_keys={"lab"},
    config_schema={
        "part": dg.Field(int, default_value=1, is_required=False, description="which part, from 1 on"),
        "parts": dg.Field(int, default_value=PARTS, is_required=False, description="of how many; 1 checks everything"),
    },
    description="Compares a share of the stored bytes with the manifest, as `quantlab lake verify --subset` does.",
)
def verify_files(context: dg.OpExecutionContext) -> None:
    """Fails when a file is damaged or missing. Nothing is changed: `quantlab lake verify --quarantine` does that."""
    from quantlab_resources.artifacts.upkeep.verification import verify

    part, parts = context.op_config["part"], context.op_config["parts"]
    report = verify(context.resources.lab.get().artifacts, subset=(part, parts))
    context.add_output_metadata(
        {
            "part": f"{part}/{parts}",
            "artifacts": report.artifacts_checked,
            "events": report.events_checked,
            "bytes": report.bytes_checked,
            "problems": len(report.problems),
            "made from damaged": len(report.downstream),
        }
    )
    if report.is_whole:
        return
    named = "; ".join(problem.detail for problem in report.problems[:MOST_NAMED])
    raise dg.Failure(
        f"{len(report.problems):,} files of part {part}/{parts} are damaged or missing, and"
        f" {len(report.downstream):,} artifacts were made from them: {named}."
        f" `quantlab lake verify --subset {part}/{parts}` lists all, `--quarantine` moves them out of use",
        allow_retries=False,
    )


@dg.job(executor_def=dg.in_process_executor, description="Checks a share of the stored files against the manifest.")
def verify_share() -> None:
    """What `verify_share_nightly` asks for."""
    verify_files()


@dg.schedule(
    cron_schedule="40 3 * * *",
    job_name="verify_share",
    name="verify_share_nightly",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Checks another 1/{PARTS} of the stored files every night, so that {PARTS} nights check all.",
)
def verify_share_nightly(context: dg.ScheduleEvaluationContext, lab: LabResource) -> dg.RunRequest | dg.SkipReason:
    """The share of the day that the tick is of: a tick that comes late, or twice, asks for the same."""
    try:
        lab.get().catalogue.last_sequence()
    except LakeNotFoundError:
        return dg.SkipReason("there is no lake yet")
    day = context.scheduled_execution_time.astimezone(UTC).date()
    part = part_of(day)
    config = {"ops": {"verify_files": {"config": {"part": part, "parts": PARTS}}}}
    return dg.RunRequest(run_key=f"verify-{day}", run_config=config, tags={"quantlab/part": f"{part}-of-{PARTS}"})


def part_of(day: date) -> int:
    """The part, from 1 to `PARTS`, that the night of ``day`` checks."""
    return day.toordinal() % PARTS + 1
