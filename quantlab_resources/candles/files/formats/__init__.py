"""Formats of candle files: one module per format, all behind the table in `candle_formats`."""
