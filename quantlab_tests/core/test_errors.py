"""What is quoted of another library's error."""

from __future__ import annotations

from quantlab_core.errors import first_line


def test_one_line_of_an_error_is_quoted_and_its_type_where_it_says_nothing() -> None:
    assert first_line(ValueError("bad row 3\nabcdef")) == "bad row 3"
    assert first_line(ValueError("bad row 3"), at_most=3) == "bad"
    assert first_line(OSError()) == "OSError"
