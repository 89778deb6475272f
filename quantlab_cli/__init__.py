"""The ``quantlab`` command: it parses arguments, calls workflows and ports, and shows results. No logic of its own."""
