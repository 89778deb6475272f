"""The tag of runs that are part of somebody's work: a command's, or another run's, which tells what became of it."""

PART_OF_TAG = "quantlab/part_of"
"""``workflow``: started by `LakeRuns`, which repeats a run that another process got in between."""
