"""Logical keys: one text per set of parts, read back to the same parts, and nothing outside the grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.logical_key import MAX_VALUE_LENGTH, format_key, is_key_value, parse_key
from quantlab_core.artifacts.registry import ARTIFACT_TYPES, owning_asset
from quantlab_core.candles.artifact_types import TOKEN_CANDLES
from quantlab_core.errors import LogicalKeyError
from quantlab_core.experiments.artifact_types import EXPERIMENT_TRADES

VALUES = st.from_regex(r"[A-Za-z0-9._:+-]{1,40}", fullmatch=True).filter(is_key_value)


@pytest.mark.parametrize("spec", ARTIFACT_TYPES, ids=lambda spec: spec.label)
@given(data=st.data())
def test_a_key_names_its_parts_and_one_asset(spec: ArtifactType, data: st.DataObject) -> None:
    parts = {name: data.draw(VALUES, name) for name in spec.key_parts}
    if not isinstance(spec.asset, str):
        parts[spec.key_parts[0]] = data.draw(st.sampled_from(sorted(spec.asset)))
    for name in data.draw(st.sets(st.sampled_from(sorted(spec.optional_key_parts)))) if spec.optional_key_parts else ():
        del parts[name]
    key = format_key(spec, parts)
    assert parse_key(spec, key) == parts
    assert owning_asset(spec, key) in spec.assets


def test_an_optional_part_is_left_out_and_a_bare_word_ends_the_key() -> None:
    assert format_key(TOKEN_CANDLES, {"token": "So1", "res": "1m"}) == "token=So1/res=1m"
    assert format_key(TOKEN_CANDLES, {"res": "1m", "chain": "base", "token": "0xab"}) == "token=0xab/chain=base/res=1m"
    assert format_key(EXPERIMENT_TRADES, {"experiment": "dips"}) == "experiment=dips/trades"


@pytest.mark.parametrize("value", ["", ".", "..", "a...b", "a/b", "a b", "ä", "a\n", "x" * (MAX_VALUE_LENGTH + 1)])
def test_what_could_become_another_path_or_line_is_no_value(value: str) -> None:
    assert not is_key_value(value)
    with pytest.raises(LogicalKeyError, match="cannot be the value"):
        format_key(TOKEN_CANDLES, {"token": value, "res": "1m"})


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("res=1m/token=So1", "expected token=<token>[/chain=<chain>]/res=<res>"),
        ("token=So1", "needs the key part 'res'"),
        ("token=So1/res=1m/day=1", "no key part 'day'"),
        ("token=So1/res=1m/res=1m", "is not a key of"),
        ("token=" + "x" * 1_000, "is too long"),
    ],
)
def test_a_key_outside_the_grammar_is_refused(key: str, reason: str) -> None:
    with pytest.raises(LogicalKeyError) as refused:
        parse_key(TOKEN_CANDLES, key)
    assert reason in str(refused.value)


def test_a_key_that_no_asset_would_own_is_refused() -> None:
    with pytest.raises(LogicalKeyError, match="of=trades belongs to no asset; of is alerts or candles"):
        parse_key(ARTIFACT_SET, "of=trades/selection=current")
