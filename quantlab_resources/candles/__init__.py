"""Candle adapters: files, and the source over what was imported."""
