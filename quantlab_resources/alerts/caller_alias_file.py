"""The list of caller aliases that a person keeps in a YAML file."""

from __future__ import annotations

from pathlib import Path

from quantlab_core.alerts.caller_aliases import CallerAliases, parse_aliases
from quantlab_core.errors import CallerAliasesError
from quantlab_resources.mapping_file import read_mapping

MAX_BYTES = 1 << 20


def read_caller_aliases(path: Path) -> CallerAliases:
    """The aliases in the file. Raises CallerAliasesError, NotFoundError, StorageError, each with the path."""
    document = read_mapping(
        path, what="list of caller aliases", page="docs/alerts.md", most_bytes=MAX_BYTES, error=CallerAliasesError
    )
    try:
        return parse_aliases(document)
    except CallerAliasesError as error:
        raise CallerAliasesError(f"{path}: {error}") from None
