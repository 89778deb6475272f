"""Everything that runs without a click, as the definitions take it (see docs/automation.md)."""

from quantlab_assets.automation.experiment_queue import experiment_queue, run_queued_experiment
from quantlab_assets.automation.failure_notice import tell_of_failures
from quantlab_assets.automation.freshness import check_freshness, freshness
from quantlab_assets.automation.keep_current import bring_up_to_date, keep_current
from quantlab_assets.automation.open_windows import fetch_open_windows
from quantlab_assets.automation.openlineage_outbox import openlineage_outbox
from quantlab_assets.automation.reconcile_events import reconcile_events_sensor
from quantlab_assets.automation.telegram_drop import ingest, telegram_drop_sensor
from quantlab_assets.automation.verification import verify_share, verify_share_nightly

AUTOMATION_JOBS = (ingest, bring_up_to_date, check_freshness, verify_share, run_queued_experiment)
AUTOMATION_SENSORS = (
    telegram_drop_sensor,
    keep_current,
    freshness,
    experiment_queue,
    reconcile_events_sensor,
    openlineage_outbox,
    tell_of_failures,
)
AUTOMATION_SCHEDULES = (fetch_open_windows, verify_share_nightly)
