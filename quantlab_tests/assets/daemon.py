"""What Dagster's daemon does with a sensor: it keeps the cursor, and makes one run per run key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg

from quantlab_assets.definitions import build_defs
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab


@dataclass
class ShiftedClock:
    """The system's clock, moved forward by hand."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Daemon:
    """Ticks of one sensor over one lake, and the runs that it asks for, in this process."""

    lab: Lab
    instance: dg.DagsterInstance
    sensor: dg.SensorDefinition
    cursor: str | None = None
    requested: list[dg.RunRequest] = field(default_factory=list)
    clock: ShiftedClock = field(default_factory=ShiftedClock)

    def __post_init__(self) -> None:
        self._defs = build_defs(home=str(self.lab.paths.home))

    def tick(self) -> dg.SensorResult:
        """One look; what it asks for is in `requested`, too."""
        self.lab.clock = self.clock
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"lab": LabResource(home=str(self.lab.paths.home))},
            definitions=self._defs,
        ) as context:
            result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.requested += result.run_requests or []
        return result

    def says(self) -> str:
        """Why a look asks for nothing."""
        result = self.tick()
        assert not result.run_requests, result.run_requests
        return str(result.skip_reason.skip_message if result.skip_reason else "")

    def run(self, request: dg.RunRequest, job: str | None = None) -> dg.ExecuteInProcessResult:
        """The run that was asked for."""
        return self._defs.resolve_job_def(job or self.sensor.job_name).execute_in_process(
            run_config=request.run_config,
            instance=self.instance,
            partition_key=request.partition_key,
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            raise_on_error=False,
        )

    def run_what_is_asked_for(self) -> dg.ExecuteInProcessResult:
        """One look, which must ask for one run, and that run."""
        (request,) = self.tick().run_requests or []
        return self.run(request)
