"""Leaderboards of callers and of experiments: ranked by what is likely to hold, not by what looked best."""
