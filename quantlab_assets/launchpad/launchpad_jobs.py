"""The jobs that people start from the launchpad, in the order of the work."""

from quantlab_assets.launchpad.create_experiment import create_experiment
from quantlab_assets.launchpad.create_sweep import create_sweep
from quantlab_assets.launchpad.import_candles import import_candles
from quantlab_assets.launchpad.ingest_export import ingest_export
from quantlab_assets.launchpad.refetch_candles import refetch_candles

LAUNCHPAD_JOBS = (ingest_export, import_candles, refetch_candles, create_experiment, create_sweep)
