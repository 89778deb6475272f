"""Pure domain of quantlab: types, ports, parsing, simulation, statistics.

Nothing here opens a file, a socket or a database, reads a clock, the environment or random state, or knows Dagster.
Whatever varies comes in as an argument.
"""
