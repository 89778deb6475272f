"""Candles asked from ClickHouse, a server over HTTP or the embedded engine."""
