"""Caller aliases: what may be written, what an id and a name mean, and how calls of a person are counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.artifact_types import CALLER_ALIASES, TOKEN_CALLS, TOKEN_CALLS_OF_VERSION_1
from quantlab_core.alerts.caller_aliases import CallerAliases, aliases_of, aliases_table, parse_aliases
from quantlab_core.alerts.callers import alias_calls, callers_of
from quantlab_core.alerts.token_calls import token_calls
from quantlab_core.errors import CallerAliasesError
from quantlab_tests.core.experiments.drawn_experiments import alerts_table

QUIET = settings(deadline=None, max_examples=150, derandomize=True)
ANN_AND_BOB = parse_aliases({"callers": {"Ann": ["user7", "channel12", "Ann  B."], "bob": ["user8", "BOBBY"]}})


def test_ids_and_names_become_rows_and_a_caller_is_an_alias_of_itself() -> None:
    table = aliases_table(ANN_AND_BOB)
    assert table.schema.equals(CALLER_ALIASES.schema)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("ann", "id", "channel12"),
        ("ann", "id", "user7"),
        ("ann", "name", "ann"),
        ("ann", "name", "ann b."),
        ("bob", "id", "user8"),
        ("bob", "name", "bob"),
        ("bob", "name", "bobby"),
    ]


@pytest.mark.parametrize(
    ("sender_id", "name", "caller", "person"),
    [
        ("user7", "bobby", "ann", "ann"),  # the id says who it is, whatever the name
        ("user9", "bobby", "bob", "bob"),  # an id that is listed nowhere leaves it to the name
        (None, "ann b.", "ann", "ann"),
        ("user9", "cid", "cid", "user9"),  # nobody's alias: a name in results, an id where calls are counted
        ("user9", None, None, "user9"),
        (None, "cid", "cid", "cid"),
        (None, None, None, None),
    ],
)
def test_an_id_alias_wins_over_a_name_alias(
    sender_id: str | None, name: str | None, caller: str | None, person: str | None
) -> None:
    assert ANN_AND_BOB.caller(sender_id, name) == caller
    assert ANN_AND_BOB.person(sender_id, name) == person


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "expected a mapping of keys to values, got None"),
        ([], "expected a mapping of keys to values, got []"),
        ({}, "callers must name one caller or more"),
        ({"callers": {}}, "callers must name one caller or more"),
        ({"callers": None}, "callers must name one caller or more"),
        ({"callers": ["ann"]}, "callers must name one caller or more"),
        ({"caller": {"ann": ["user7"]}}, "unknown key 'caller'; did you mean 'callers'?"),
        ({"callers": {"ann": ["user7"]}, "version": 1}, "unknown key 'version'"),
        ({"callers": {"ann": []}}, "'ann' needs a list of one or more aliases"),
        ({"callers": {"ann": "user7"}}, "'ann' needs a list of one or more aliases"),
        ({"callers": {"ann": [7]}}, "an alias of 'ann' must be text, got 7; put it in quotes"),
        ({"callers": {"ann": [["user7"]]}}, "an alias of 'ann' must be text"),
        ({"callers": {"ann": ["  "]}}, "an alias of 'ann' must have 1 to 256 characters beside blanks"),
        ({"callers": {"ann": ["x" * 257]}}, "an alias of 'ann' must have 1 to 256 characters"),
        ({"callers": {" ": ["user7"]}}, "the caller must have 1 to 256 characters"),
        ({"callers": {7: ["user7"]}}, "the caller must be text, got 7"),
        ({"callers": {"user9": ["user7"]}}, "the caller 'user9' has the form of a sender id"),
        ({"callers": {"ann": ["USER7"]}}, "an alias of 'ann' 'USER7' has the form of a sender id"),
        ({"callers": {"Ann": ["user7"], "ANN ": ["user8"]}}, "'ann' is named twice"),
        ({"callers": {"ann": ["user7"], "bob": ["user7"]}}, "'user7' is listed under 'bob' and belongs to 'ann'"),
        ({"callers": {"ann": ["Cid"], "bob": ["CID"]}}, "'CID' is listed under 'bob' and belongs to 'ann'"),
        ({"callers": {"ann": ["Bob"], "bob": ["user8"]}}, "'Bob' is listed under 'ann' and belongs to 'bob'"),
    ],
)
def test_a_list_that_contradicts_itself_or_is_none_is_refused(document: Any, message: str) -> None:
    with pytest.raises(CallerAliasesError) as refusal:
        parse_aliases(document)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith("caller aliases: ")
    assert "\n" not in str(refusal.value)


def test_one_alias_in_two_spellings_under_one_caller_is_one_alias() -> None:
    assert parse_aliases({"callers": {"ann": ["Ann B.", "ann  b.", "ANN", "user7", "user7"]}}) == CallerAliases(
        {"user7": "ann"}, {"ann": "ann", "ann b.": "ann"}
    )


NAMES = st.text(st.sampled_from("abcABC. \u00c9\u00df\u0130\U0001f989"), min_size=1, max_size=4)
IDS = st.integers(1, 12).map("user{}".format)
DOCUMENTS = st.dictionaries(NAMES, st.lists(NAMES | IDS, min_size=1, max_size=4), min_size=1, max_size=4)


def parsed(callers: dict[str, list[str]]) -> CallerAliases | None:
    try:
        return parse_aliases({"callers": callers})
    except CallerAliasesError:
        return None


@QUIET
@given(DOCUMENTS, st.none() | IDS, st.none() | NAMES)
def test_laws_of_resolution(callers: dict[str, list[str]], sender_id: str | None, written: str | None) -> None:
    aliases = parsed(callers)
    assert parsed(dict(reversed(callers.items()))) == aliases  # the order of writing means nothing
    if aliases is None:
        return
    assert aliases_of(aliases_table(aliases)) == aliases
    name = None if written is None else " ".join(written.casefold().split()) or None
    caller = aliases.caller(sender_id, name)
    if sender_id is None:
        assert aliases.caller(None, caller) == caller
    if aliases.aliased(sender_id, name) is not None:
        assert caller == aliases.person(sender_id, name)
        assert aliases.caller(None, caller) == caller  # a resolved caller resolves to itself
    else:
        assert (caller, aliases.person(sender_id, name)) == (name, sender_id or name)
    if sender_id in aliases.by_id:
        assert caller == aliases.by_id[sender_id]


CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "at_s": st.integers(0, 5),
            "mint": st.sampled_from("AB"),
            "alert_chat_id": st.integers(1, 2),
            "caller_id": st.none() | IDS,
            "caller_name_norm": st.none() | st.sampled_from(["a", "b", "c"]),
        }
    ),
    max_size=12,
)


@QUIET
@given(CALLS, DOCUMENTS)
def test_calls_are_numbered_by_person_whatever_else_is_in_the_alerts(
    calls: list[dict[str, Any]], callers: dict[str, list[str]]
) -> None:
    aliases = parsed(callers) or CallerAliases()
    alerts = alerts_table(*calls)
    counted = token_calls(alerts, aliases)
    assert counted.schema.equals(TOKEN_CALLS.schema)
    plain = token_calls(alerts)
    assert plain["caller"].equals(plain["caller_id"])
    untouched = [name for name in counted.column_names if "caller" not in name] + ["caller_id"]
    assert counted.select(untouched).equals(plain.select(untouched))
    numbers: dict[tuple[Any, ...], list[int]] = {}
    for row in counted.to_pylist():
        by = row["caller"] or row["alert_chat_id"]
        numbers.setdefault((row["mint"], by), []).append(row["call_number_by_caller"])
        assert row["is_first_by_caller"] == (row["call_number_by_caller"] == 1)
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


def test_the_first_call_of_a_caller_is_that_of_the_person() -> None:
    alerts = alerts_table(
        {"at_s": 0, "caller_id": "user7", "caller_name_norm": "ann"},
        {"at_s": 1, "caller_id": "channel12", "caller_name_norm": "ann's calls"},
        {"at_s": 2, "caller_id": "user8", "caller_name_norm": "bobby"},
    )
    by_id = [(row["caller_id"], row["is_first_by_caller"]) for row in token_calls(alerts).to_pylist()]
    assert by_id == [("user7", True), ("channel12", True), ("user8", True)]
    by_person = token_calls(alerts, ANN_AND_BOB).to_pylist()
    assert [(row["caller_id"], row["caller"], row["call_number_by_caller"]) for row in by_person] == [
        ("user7", "ann", 1),
        ("channel12", "ann", 2),
        ("user8", "bob", 1),
    ]


def test_counts_of_version_1_are_read_with_every_caller_as_a_person() -> None:
    newest = token_calls(alerts_table({"caller_id": "user7"}, {"caller_name_norm": None}))
    stored = newest.drop_columns(["caller"]).cast(TOKEN_CALLS_OF_VERSION_1.schema)
    assert TOKEN_CALLS_OF_VERSION_1.upcast is not None
    read = TOKEN_CALLS_OF_VERSION_1.upcast(stored, "selection=current")
    assert read.schema.equals(TOKEN_CALLS.schema)
    assert read.equals(newest)


def test_callers_are_listed_with_what_they_called_under() -> None:
    alerts = alerts_table(
        {"at_s": 0, "caller_id": "user7", "caller_name": "Ann", "caller_name_norm": "ann"},
        {"at_s": 60, "caller_id": "channel12", "caller_name": "ANN B.", "caller_name_norm": "ann b."},
        {"at_s": 30, "caller_id": "user9", "caller_name": "Cid", "caller_name_norm": "cid"},
        {"at_s": 40, "caller_name_norm": None},
    )
    found = [
        (each.person, each.alias_caller, each.ids, each.names, each.calls, (each.last_call - each.first_call).seconds)
        for each in callers_of(alerts, ANN_AND_BOB)
    ]
    assert found == [
        ("ann", "ann", ("channel12", "user7"), ("ANN B.", "Ann"), 2, 60),
        (None, None, (), (), 1, 0),
        ("user9", None, ("user9",), ("Cid",), 1, 0),
    ]
    assert alias_calls(alerts, ANN_AND_BOB) == {
        ("id", "user7"): 1, ("id", "channel12"): 1, ("id", "user8"): 0, ("name", "ann b."): 0, ("name", "bobby"): 0,
    }  # fmt: skip
    assert callers_of(alerts.slice(0, 0), ANN_AND_BOB) == []
