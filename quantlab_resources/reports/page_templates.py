"""The templates of pages: jinja2 with escaping on, imported when a page is written.

A page may run the one script that is in it and load nothing from anywhere: its content security policy says so, and
names the script by its hash. So even a text that got past the escaping could do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
_SCRIPT = "page_script.js"


def page(template: str, **values: Any) -> str:
    """The page that ``template`` makes of ``values``; a value that it names and does not get is an error."""
    return _environment().get_template(template).render(**values)


def policy(script: str) -> str:
    """The content security policy of a page with this script and styles of its own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    script = (_FOLDER / _SCRIPT).read_text(encoding="utf-8").rstrip("\n")
    environment.globals["script"] = script
    environment.globals["policy"] = policy(script)
    return environment
