"""Candles: sources, validation, slices and one series per token."""
