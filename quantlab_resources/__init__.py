"""Adapters that implement the ports of `quantlab_core`: disk, databases, network."""
