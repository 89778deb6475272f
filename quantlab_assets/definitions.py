"""What Dagster loads: for ``dagster dev``, ``dagster asset materialize -m quantlab_assets.definitions`` and the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from quantlab_assets.alerts import ALERT_ASSETS
from quantlab_assets.automation.automation import AUTOMATION_JOBS, AUTOMATION_SCHEDULES, AUTOMATION_SENSORS
from quantlab_assets.coverage import COVERAGE_ASSETS
from quantlab_assets.coverage_jobs import COVERAGE_JOBS
from quantlab_assets.experiment_verification import VERIFICATION_ASSETS, VERIFICATION_CHECKS
from quantlab_assets.experiments import EXPERIMENT_ASSETS
from quantlab_assets.is_current import FRESHNESS_CHECKS
from quantlab_assets.leaderboards import LEADERBOARD_ASSETS
from quantlab_assets.ohlcv import OHLCV_ASSETS
from quantlab_assets.projections import PROJECTION_ASSETS, PROJECTION_CHECKS, RESEARCH
from quantlab_assets.strategies import STRATEGY_ASSETS
from quantlab_assets.telegram_drop import ingest, telegram_drop_sensor
from quantlab_resources.dagster_io.io_manager import LakeIOManager
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.dagster_io.projection_resource import ProjectionResource

ASSETS = (
    *ALERT_ASSETS,
    *OHLCV_ASSETS,
    *COVERAGE_ASSETS,
    *PROJECTION_ASSETS,
    *STRATEGY_ASSETS,
    *EXPERIMENT_ASSETS,
    *VERIFICATION_ASSETS,
    *LEADERBOARD_ASSETS,
)


def build_defs(
    *, home: str | None = None, resource_overrides: Mapping[str, Any] | None = None, has_lake_checks: bool = True
) -> dg.Definitions:
    """Fresh definitions over the lake at ``home`` (None: ``QUANTLAB_HOME``, else ``./lake``).

    ``resource_overrides`` replaces resources by key (``lab``, ``io_manager``), so that tests need no globals.
    ``has_lake_checks``: the commands' many small runs leave out the checks of the lake, `is_current` among them.
    """
    return dg.Definitions(
        assets=list(ASSETS),
        asset_checks=[*PROJECTION_CHECKS, *VERIFICATION_CHECKS, *(FRESHNESS_CHECKS if has_lake_checks else ())],
        jobs=[ingest, *COVERAGE_JOBS, *(AUTOMATION_JOBS if has_lake_checks else ())],
        sensors=[telegram_drop_sensor, *(AUTOMATION_SENSORS if has_lake_checks else ())],
        schedules=[*(AUTOMATION_SCHEDULES if has_lake_checks else ())],
        resources={
            "lab": LabResource(home=home),
            "io_manager": LakeIOManager(home=home),
            "research_duckdb": ProjectionResource(projection=RESEARCH, home=home),
            **(resource_overrides or {}),
        },
        # One process per run: starting a process per step costs 2 s, and all steps of a run share their caches.
        executor=dg.in_process_executor,
    )


defs = build_defs()
