"""The lab as a Dagster resource."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import Field

from quantlab_resources.lab import Lab, lab_at


class LabResource(dg.ConfigurableResource[Any]):
    """Gives assets the lab: artifacts, candle source, projections, experiments.

    ``home`` is the folder of the lake; empty means ``QUANTLAB_HOME``, else ``./lake``.
    """

    home: str | None = Field(default=None, description="Folder of the lake; empty: QUANTLAB_HOME, else ./lake")

    def get(self) -> Lab:
        """The lab, one per home and process."""
        return lab_at(self.home)
