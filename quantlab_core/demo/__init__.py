"""The demo world: a small invented call group and the candles of its tokens, the same bytes for the same seed."""
