"""Experiments: frozen inputs, configuration, states and results."""
