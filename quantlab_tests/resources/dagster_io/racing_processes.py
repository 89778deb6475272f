"""Two processes that materialize the same day of the small graph at the same moment.

Arguments: home of the lake, day, market cap. Each process writes one line: how many of its artifacts were new, and the
data version that its Dagster recorded. Started as one process that forks, so that Dagster is imported once.
"""

import logging
import os
import sys

import dagster as dg

from quantlab_resources.lab import Lab
from quantlab_tests.resources.dagster_io.small_graph import Feed, SmallGraph

RACERS = 2


def race(home: str, day: str, mcap: float, ready: int, wait_for_go: int) -> str:
    def meet(_step: str) -> None:
        os.write(ready, b"r")
        os.read(wait_for_go, 1)

    with dg.DagsterInstance.ephemeral() as instance:
        graph = SmallGraph(Lab(home), instance, Feed({day: mcap}, before=meet))
        graph.run("alert_events", partition=day)
        (event,) = graph.materializations("alert_events")
        return f"{event.metadata['new_artifacts'].value} {(event.tags or {})['dagster/data_version']}\n"


def main(home: str, day: str, mcap: str) -> None:
    logging.disable(logging.CRITICAL)
    wait_for_ready, ready = os.pipe()
    wait_for_go, go = os.pipe()
    racers = []
    for _ in range(RACERS):
        racer = os.fork()
        if racer == 0:
            os.write(sys.stdout.fileno(), race(home, day, float(mcap), ready, wait_for_go).encode())
            os._exit(0)
        racers.append(racer)
    for _ in range(RACERS):
        os.read(wait_for_ready, 1)
    os.write(go, b"g" * RACERS)
    for racer in racers:
        os.waitpid(racer, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
