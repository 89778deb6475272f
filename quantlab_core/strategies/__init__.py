"""Published strategies: the artifact type, and a strategy as its one-row table."""
