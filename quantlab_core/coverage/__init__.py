"""Coverage: what was asked of the source, and what it held, around every alert."""
