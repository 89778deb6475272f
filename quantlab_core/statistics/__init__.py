"""Statistics of trades, returns and choices among many: how much of a result is more than luck. Pure functions."""
