"""What Dagster loads: for ``dagster dev``, ``dagster asset materialize -m quantlab_assets.definitions`` and the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from quantlab_assets.alerts import ALERT_ASSETS
from quantlab_assets.automation.automation import AUTOMATION_JOBS, AUTOMATION_SCHEDULES, AUTOMATION_SENSORS
from quantlab_assets.checks.is_current import freshness_checks
from quantlab_assets.checks.lake_checks import lake_checks
from quantlab_assets.coverage import COVERAGE_ASSETS
from quantlab_assets.coverage_jobs import COVERAGE_JOBS
from quantlab_assets.experiment_verification import VERIFICATION_ASSETS, VERIFICATION_CHECKS
from quantlab_assets.experiments import EXPERIMENT_ASSETS
from quantlab_assets.launchpad.launchpad_jobs import LAUNCHPAD_JOBS
from quantlab_assets.leaderboards import LEADERBOARD_ASSETS
from quantlab_assets.ohlcv import OHLCV_ASSETS
from quantlab_assets.projections import PROJECTION_ASSETS, PROJECTION_CHECKS, RESEARCH
from quantlab_assets.strategies import STRATEGY_ASSETS
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

LAKE_CHECKS = (lake_checks(ASSETS), freshness_checks)


def build_defs(
    *, home: str | None = None, resource_overrides: Mapping[str, Any] | None = None, judges_lake: bool = True
) -> dg.Definitions:
    """Fresh definitions over the lake at ``home`` (None: ``QUANTLAB_HOME``, else ``./lake``).

    ``resource_overrides`` replaces resources by key (``lab``, ``io_manager``), so that tests need no globals. Without
    ``judges_lake`` no run is followed by the checks that look at the whole lake, and nothing runs by itself: workflows
    of many small runs judge nothing between.
    """
    return dg.Definitions(
        assets=list(ASSETS),
        asset_checks=[*PROJECTION_CHECKS, *VERIFICATION_CHECKS, *(LAKE_CHECKS if judges_lake else ())],
        jobs=[*COVERAGE_JOBS, *LAUNCHPAD_JOBS, *(AUTOMATION_JOBS if judges_lake else ())],
        sensors=AUTOMATION_SENSORS if judges_lake else (),
        schedules=AUTOMATION_SCHEDULES if judges_lake else (),
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
