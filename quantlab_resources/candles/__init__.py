"""Candle sources: imported files, a folder of files, ClickHouse; and copies of slices for other tools."""
