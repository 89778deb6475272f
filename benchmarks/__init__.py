"""How fast quantlab is, each figure beside a peer, a naive way or a physical floor from the same run."""
