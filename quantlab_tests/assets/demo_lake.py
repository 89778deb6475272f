"""A lake that holds the demo."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from quantlab_assets.workflows.demo import DemoReport
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_resources.lab import Lab


@dataclass(frozen=True)
class DemoLake:
    """A lake after `run_demo`, with the instance that ran it and what it reported."""

    lab: Lab
    instance: dg.DagsterInstance
    report: DemoReport

    def runs(self) -> LakeRuns:
        return LakeRuns(self.lab, self.instance)
