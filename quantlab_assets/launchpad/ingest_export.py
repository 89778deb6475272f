"""The job `ingest_export`: a Telegram export that lies on Dagster's machine, without the drop folder."""

import dagster as dg
from pydantic import Field

from quantlab_assets.launchpad.launched_runs import (
    artifact_counts,
    check_refresh_settings,
    given_day,
    given_path,
    launched_runs,
)
from quantlab_assets.metadata_table import table_of


class ExportToIngest(dg.Config):
    """Which export, and what it does not say itself."""

    file: str = Field(
        default="result.json",
        description="The export: Telegram Desktop's result.json, a messages.html, the folder of an export, or a ZIP "
        "archive of HTML pages, on the machine that Dagster runs on. A full path, or one that starts in the lake's "
        "folder `staging`.",
    )
    time_zone: str | None = Field(
        default=None, description="Zone in which local times were written, for example Europe/Berlin. HTML needs it."
    )
    chat_id: int | None = Field(
        default=None, description="The chat's id, for HTML exports, which do not tell it. A leading -100 is dropped."
    )
    salvage: bool = Field(
        default=False, description="Keep the whole messages of a damaged export, and say what is lost."
    )
    only_day: str | None = Field(
        default=None,
        description="Bring only this UTC day's alerts up to date (2025-05-01). Messages are always stored whole.",
    )
    drop_adopted: bool = Field(
        default=False, description="On these days, leave out adopted calls that no export tells of."
    )


@dg.op(
    name="export_file",
    required_resource_keys={"lab"},
    description="Reads one Telegram export and brings alerts and all that rests on them up to date.",
)
def ingest_one_export(context: dg.OpExecutionContext, config: ExportToIngest) -> None:
    """As `quantlab alerts ingest FILE`; a damaged export leaves no trace."""
    with launched_runs(context) as runs:
        from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
        from quantlab_assets.workflows.refresh_research import refresh_research
        from quantlab_core.alerts.alert_source import ReadOptions
        from quantlab_resources.alerts.alert_sources import is_any_export
        from quantlab_resources.alerts.read_options_config import bare_chat_id

        chat_id = None if config.chat_id is None else bare_chat_id(str(config.chat_id))
        options = ReadOptions(config.time_zone, config.salvage, chat_id)
        path, only_day = given_path(runs.lab, config.file), given_day("only_day", config.only_day)
        runs.require_known([] if only_day is None else [only_day])
        is_any_export(path, options)
        check_refresh_settings(runs.lab)
        runs.lab.make_lake()
        report = ingest_telegram_export(runs, path, options, only_day=only_day, drop_adopted=config.drop_adopted)
        refresh = refresh_research(runs, report.days)
    fates: list[dict[str, str | int]] = [
        {
            "became": fate.disposition.replace("_", " "),
            "kind or rule": fate.rule_id or fate.kind,
            "messages": fate.messages,
            "example": fate.example or "",
        }
        for fate in report.fates
    ]
    context.add_output_metadata(
        {
            "export": report.export,
            "messages": report.messages,
            "alerts_on_its_days": report.alerts_on_days,
            "days": len(report.days),
            "first_and_last_day": f"{report.days[0]} to {report.days[-1]}" if report.days else "none",
            **table_of("what_became_of_them", fates),
            "revised_slices": refresh.revised_slices,
            **artifact_counts(runs),
        }
    )


@dg.job(
    name="ingest_export",
    config={"ops": {"export_file": {"config": {"file": "result.json"}}}},
    executor_def=dg.in_process_executor,
    description="Start here with a Telegram export: messages, alerts, candle slices, coverage and the projection "
    "follow. Write the path of the export into `file`. Exports copied into the lake's staging/telegram need no job.",
)
def ingest_export() -> None:
    """Started from the launchpad."""
    ingest_one_export()
