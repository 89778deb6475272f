"""Whose candles are taken: spellings of addresses, names of chains, pools."""

from __future__ import annotations

from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import TOKEN
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    BASE,
    BSC,
    PLAIN,
    SOMEWHERE,
    edges,
    minutes_of,
    request,
    row,
)
from quantlab_tests.resources.candles.clickhouse.embedded_engine import OTHER, Engine, span


def test_evm_addresses_are_compared_without_case_and_solana_ones_with_it(engine: Engine) -> None:
    written = Token("base", "0xABCDEFABCDEFabcdefabcdefABCDEF0123456789")
    lowered = Token("base", written.address.lower())
    swapped = Token("solana", TOKEN.address.swapcase())
    source = engine.filled([row(1, written), row(2, lowered), row(3)]).source()
    folded, exact = source.fetch_many([request(lowered), request(swapped)])
    assert minutes_of(folded.candles) == [1, 2]
    assert set(folded.candles["token_address"].to_pylist()) == {lowered.address}
    assert exact.candles.num_rows == 0


def test_chains_are_known_under_the_names_that_the_earlier_system_wrote(engine: Engine) -> None:
    rows = [row(1, chain="SOL"), row(2, chain="Solana"), row(3), row(4, BSC, chain="BNB"), row(5, BSC, chain="Bsc")]
    solana, bsc = engine.filled(rows).source().fetch_many([request(), request(BSC)])
    assert (minutes_of(solana.candles), minutes_of(bsc.candles)) == ([1, 2, 3], [4, 5])
    assert {*solana.candles["chain"].to_pylist(), *bsc.candles["chain"].to_pylist()} == {"solana", "bsc"}


def test_a_call_on_an_unknown_chain_takes_the_one_chain_that_has_its_address(engine: Engine) -> None:
    rows = [*edges(), row(1, BASE), row(2, BASE, chain="evm")]
    answer = engine.filled(rows).source().fetch(request(SOMEWHERE))
    assert (minutes_of(answer.candles), answer.spans) == ([1, 2], (span(0, 100),))
    assert set(answer.candles["chain"].to_pylist()) == {"evm_unknown"}


def test_of_several_chains_none_is_guessed_and_they_are_named(engine: Engine) -> None:
    source = engine.filled([row(1, BASE), row(2, BSC)]).source()
    unclear, base = source.fetch_many([request(SOMEWHERE), request(BASE)])
    assert unclear.is_refused
    assert unclear.rejections[0].reason == "its address has candles on base and bsc; the call does not say which"
    assert minutes_of(base.candles) == [1]


def test_a_chain_that_nobody_knows_is_named_instead_of_passing_for_silence(engine: Engine) -> None:
    engine.filled([row(1, chain="sol-main"), row(2, BASE, chain="evm")])
    solana, base = engine.source().fetch_many([request(), request(BASE)])
    assert (solana.is_refused, base.is_refused) == (True, True)
    assert "'sol-main'" in solana.rejections[0].reason
    answer = engine.source(chains={"sol-main": "solana"}).fetch(request())
    assert minutes_of(answer.candles) == [1]


def test_a_known_other_chain_of_the_same_address_is_another_token(engine: Engine) -> None:
    engine.filled([*edges(), row(1, BASE)])
    assert engine.source().fetch(request(BSC)).is_unknown
    assert engine.source(silence="table").fetch(request(BSC)).spans == (span(0, 100),)
    engine.filled([*edges(0, 500), row(1, BASE), row(300, BSC)])
    assert engine.source().fetch(request(BSC)).spans == (span(0, 100),)


def test_a_table_kept_by_pool_is_asked_by_pool(engine: Engine) -> None:
    types = {"pair": "String", **{name: kind for name, kind in PLAIN.items() if name != "token_address"}}
    pool = "PooL1111111111111111111111111111111111111111"
    rows = [{"pair": pool, **{name: value for name, value in row(1).items() if name != "token_address"}}]
    engine.filled(rows, types=types, engine="ENGINE = MergeTree ORDER BY (pair, timestamp)")
    source = engine.source(columns={"pool": "pair"})
    by_pool, without = source.fetch_many([request(pool_address=pool), request(OTHER)])
    assert (minutes_of(by_pool.candles), by_pool.candles["token_address"].to_pylist()) == ([1], [TOKEN.address])
    assert without.is_unknown
