"""Simulation: strategy configuration, the reference engine, portfolio and metrics."""
