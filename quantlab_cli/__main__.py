"""``python -m quantlab_cli`` is ``quantlab``."""

from __future__ import annotations

from quantlab_cli.main import main

if __name__ == "__main__":
    main()
