"""Numbers as people read them."""

from __future__ import annotations

import pytest

from quantlab_resources.reports.number_text import between, percent, price


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000012345678, "0.00001235"),
        (1.0, "1.000"),
        (12_345.678, "12,346"),
        (0.0, "0"),
        (3e-12, "3e−12"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_a_price_has_four_digits_that_count(value: float | None, text: str) -> None:
    assert price(value) == text


def test_an_interval_says_which_bound_is_open() -> None:
    assert between(-0.1, 0.2, percent) == "−10.0\u202f% to +20.0\u202f%"
    assert between(None, 0.2, percent) == "up to +20.0\u202f%"
    assert between(-0.1, None, percent) == "from −10.0\u202f%"
    assert between(None, None, percent) == ""
