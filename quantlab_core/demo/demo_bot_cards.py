"""The cards with which the group's two bots answer a call, in the layout of Rick and Phanes.

Both show market cap and price of the moment in the body, and who called the token first, at which market cap, below.
Phanes refreshes its cards in place: then the body is hours newer than the message, and only the last line is as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantlab_core.demo.demo_cast import SUPPLY, DemoToken
from quantlab_core.demo.telegram_text import Piece, bold, code, italic, linked, marked

_RICK_VENUES = {
    "solana": "Solana @ PumpSwap",
    "base": "Base @ Aerodrome",
    "ethereum": "Ethereum @ Uniswap V2",
    "bsc": "BSC @ PancakeSwap",
}
_PHANES_TAGS = {"solana": "#SOL", "base": "#BASE", "ethereum": "#ETH", "bsc": "#BSC"}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a bot knows of a token at one moment. Prices in USD, ages in minutes, ``change`` a fraction over an hour."""

    price: float
    highest_price: float
    change: float
    age_min: int
    liquidity: float
    volume: float
    views: int


@dataclass(frozen=True, slots=True)
class FirstCall:
    """Who called the token first in this group, at which price, how many minutes ago. Zero minutes: it is this call."""

    caller_name: str
    price: float
    minutes_ago: int


def rick_card(token: DemoToken, quote: Quote, first: FirstCall) -> list[Piece]:
    """Rick's card."""
    cap = _short(quote.price * SUPPLY)
    pool = token.pool.lower() if token.chain == "solana" else token.address
    card: list[Piece] = [
        linked("💊", f"https://pump.fun/{token.address}") if token.chain == "solana" else "🟡",
        " ",
        linked(token.name, f"https://t.me/RickBurpBot?start={token.address}"),
        " ",
        bold(f"[{cap}/{quote.change * 100:.1f}%]"),
        " ",
        marked("cashtag", f"${token.ticker}"),
        f"\n🌐 {_RICK_VENUES[token.chain]}\n💰 USD: ",
        code(f"${_plain(quote.price)}"),
        "\n💎 FDV: ",
        code(f"${cap}"),
        " ⇨ ATH: ",
        code(f"${_short(quote.highest_price * SUPPLY)}"),
        " \n💦 Liq: ",
        code(f"${_short(quote.liquidity)}"),
        " ",
        code("[x4]"),
        " \n📊 Vol: ",
        code(f"${_short(quote.volume)}"),
        " ⋅ Age: ",
        code(_age(quote.age_min)),
        f" \n{'📈' if quote.change >= 0 else '📉'} 1H: ",
        code(f"{quote.change * 100:.1f}%"),
        "\n\n💹 Chart: ",
        linked("DEX", f"https://dexscreener.com/{token.chain}/{pool}"),
        "\n\n",
        code(token.address),
        "\n",
    ]
    if first.minutes_ago == 0:
        return [*card, f"\n💨 You are first @ {cap} 👀 {quote.views}"]
    multiple = quote.price / first.price
    since = f"{_short(first.price * SUPPLY)}⋅{multiple:.1f}x⋅{_age(first.minutes_ago)}"
    return [*card, f"\n🏆 {first.caller_name} @ {since} 👀 {quote.views}"]


def phanes_card(token: DemoToken, quote: Quote, first: FirstCall, refreshed_at: str | None = None) -> list[Piece]:
    """Phanes's card; ``refreshed_at`` is the time of day on its last line after a refresh, e.g. ``1:56 PM``."""
    rise = quote.price / first.price
    since = f"{rise:.1f}x" if rise >= 2 else f"{(rise - 1) * 100:+.0f}%"
    card: list[Piece] = [
        linked(token.name, f"https://t.me/phanes_bot?start=price_{token.address}"),
        " (",
        marked("cashtag", f"${token.ticker}"),
        ") \n├ ",
        code(token.address),
        "\n└ ",
        marked("hashtag", _PHANES_TAGS[token.chain]),
        " | 🌱",
        italic(_age(quote.age_min)),
        " | 👁️",
        bold(str(quote.views)),
        "\n\n📊 ",
        bold("Stats"),
        "\n ├ ",
        code("USD   "),
        bold(f"${_subscripted(quote.price)}"),
        f" ({quote.change * 100:+.0f}%)\n ├ ",
        code("MC    "),
        bold(f"${_short(quote.price * SUPPLY)}"),
        "\n ├ ",
        code("Vol   "),
        bold(f"${_short(quote.volume)}"),
        "\n ├ ",
        code("LP    "),
        bold(f"${_short(quote.liquidity)}"),
        " \n ├ ",
        code("1H    "),
        bold(f"{quote.change * 100:+.0f}%"),
        "\n └ ",
        code("ATH   "),
        bold(f"${_short(quote.highest_price * SUPPLY)}"),
        f" ({(quote.price / quote.highest_price - 1) * 100:.0f}%)\n\n",
        linked("DS", f"https://dexscreener.com/{token.chain}/{token.address}"),
        f"\n\n{'😈' if rise >= 1 else '👿'} {first.caller_name} @ ",
        bold(f"${_short(first.price * SUPPLY)} [{since}]"),
        f" ({_age(first.minutes_ago)})",
    ]
    return card if refreshed_at is None else [*card, f"\n________________________\nUpdated at {refreshed_at} UTC ..."]


def _short(value: float) -> str:
    """Three or four significant digits with K or M: 51.4K, 2.85M."""
    if value >= 1e6:
        return f"{value / 1e6:.2f}M"
    return f"{value / 1e3:.1f}K" if value >= 1e3 else f"{value:.0f}"


def _plain(price: float) -> str:
    """Five significant digits without an exponent: 0.000051426."""
    return f"{price:.12f}"[: _leading_zeros(price) + 7]


def _subscripted(price: float) -> str:
    """Four significant digits, the zeros after the point counted in small: 0.0₄5142."""
    zeros = _leading_zeros(price)
    if zeros < 4:
        return _plain(price)
    return "0.0" + str(zeros).translate(_SUBSCRIPTS) + f"{price:.14f}"[2 + zeros : 6 + zeros]


def _leading_zeros(price: float) -> int:
    decimals = f"{price:.14f}".partition(".")[2]
    return len(decimals) - len(decimals.lstrip("0"))


def _age(minutes: int) -> str:
    if minutes < 60:
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 1440 else f"{minutes // 1440}d"
