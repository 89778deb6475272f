"""``quantlab alerts quarantine``: the messages that were rejected, and reading them again after a rule was mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.alert_commands import alerts
from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.run_settings import check_refresh_settings
from quantlab_cli.tables import Column, Format, format_option, number_of, show_rows, shown

if TYPE_CHECKING:
    from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore

QUARANTINE_COLUMNS = (
    Column("export", "export"),
    Column("messageId", "message"),
    Column("sentTs", "sent (UTC)"),
    Column("ruleId", "rule"),
    Column("reason", "reason", shrinks=True),
)
CHANGE_COLUMNS = (
    Column("was", "decided by"),
    Column("now", "now"),
    Column("messages", "messages", is_number=True),
)


@alerts.group("quarantine", cls=LakeGroup)
def quarantine() -> None:
    """List the messages that were rejected, and read them again with today's rules."""


@quarantine.command("list")
@click.option("--rule", metavar="ID", help="Only what this rule rejected.")
@click.option("--export", metavar="KEY", help="Only messages of this export.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many messages.")
@format_option
@click.pass_obj
def list_quarantine(
    invocation: Invocation, rule: str | None, export: str | None, limit: int, output_format: Format
) -> None:
    """List quarantined messages by export; JSON and CSV have the payload."""
    from quantlab_cli.open_lake import existing_lake

    rows = _rows(existing_lake(invocation).artifacts, rule, export, limit + 1)
    show_rows(rows[:limit], QUARANTINE_COLUMNS, output_format, nothing="no such message is in quarantine")
    if len(rows) > limit:
        click.echo(f"the list is cut at {limit}; --limit shows more", err=True)


@quarantine.command("replay")
@click.option("--rule", metavar="ID", help="Read only what this rule rejected again.")
@click.pass_obj
def replay(invocation: Invocation, rule: str | None) -> None:
    """Read quarantined messages again with today's rules and publish what is decided otherwise now."""
    check_refresh_settings(invocation)

    from quantlab_assets.workflows.refresh_research import refresh_research
    from quantlab_assets.workflows.replay_quarantine import replay_quarantine
    from quantlab_cli.open_lake import existing_lake, running

    with running(existing_lake(invocation)) as runs:
        report = replay_quarantine(runs, rule=rule)
        read = f"{number_of(report.messages, 'quarantined message')} read again"
        if not report.exports:
            click.echo(f"{read}: all are decided as before, nothing was published")
            return
        refresh_research(runs, report.days)
    changed = sum(change.messages for change in report.changes)
    click.echo(f"{read}: {number_of(changed, 'message')} of {number_of(len(report.exports), 'export')} decided anew")
    rows = [{"was": change.was, "now": change.now, "messages": change.messages} for change in report.changes]
    show_rows(rows, CHANGE_COLUMNS, "table", nothing="")
    days = ", ".join(map(str, report.days)) or "none"
    click.echo(f"superseded: what was read of {', '.join(report.exports)}; alerts were brought up to date on: {days}")


def _rows(store: ParquetArtifactStore, rule: str | None, export: str | None, limit: int) -> list[dict[str, Any]]:
    from quantlab_core.alerts.artifact_types import ALERTS_QUARANTINE

    rows: list[dict[str, Any]] = []
    for head in store.heads(ALERTS_QUARANTINE.name, "export="):
        key = head.logical_key.removeprefix("export=")
        if head.schema_version != ALERTS_QUARANTINE.version or export not in (None, key) or not head.row_count:
            continue
        for row in store.read(head.artifact_id).to_pylist():
            if rule in (None, row["rule_id"]):
                rows.append({"export": key, **_listed(row)})
        if len(rows) >= limit:
            break
    return rows[:limit]


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    sent = row["sent_ts"]
    return {
        "ordinal": row["ordinal"],
        "chatId": row["chat_id"],
        # Ids are names, not amounts: as text they get no thousands separators.
        "messageId": None if row["message_id"] is None else str(row["message_id"]),
        "sentTs": None if sent is None else f"{sent:%Y-%m-%dT%H:%M:%SZ}",
        "ruleId": row["rule_id"],
        "ruleVersion": row["rule_version"],
        "reason": shown(row["reason"]),
        "payload": row["payload"],
    }
