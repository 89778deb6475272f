"""Settings that runs of the asset graph need, looked at before Dagster is loaded.

Loading takes seconds, and data may have come in before a run meets a setting that is wrong: that is late to say so.
"""

from __future__ import annotations

from quantlab_cli.lake_command import Invocation


def check_run_settings() -> None:
    """For runs that compute on what the lake holds. Raises InvalidInputError."""
    from quantlab_resources.first_day import first_day

    first_day()


def check_refresh_settings(invocation: Invocation) -> None:
    """For runs that also ask the candle source and measure coverage. Raises InvalidInputError, NotFoundError."""
    from quantlab_resources.coverage.configured_thresholds import configured_thresholds
    from quantlab_resources.lab import Lab

    check_run_settings()
    configured_thresholds()
    _ = Lab(invocation.home).candle_source
