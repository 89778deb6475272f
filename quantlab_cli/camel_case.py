"""The names of fields in JSON: ``median_span_ratio`` is ``medianSpanRatio``."""


def camel_case(name: str) -> str:
    """The JSON name of a field that is ``name`` in a table or in Python."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
