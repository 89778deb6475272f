"""The pages for people: links lead somewhere, and the picture of the architecture has every asset of the graph."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from quantlab_assets.definitions import build_defs

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def dead_links(page: Path, text: str) -> list[str]:
    """Relative links of the page that lead to no file."""
    targets = [target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]
    return [target for target in targets if not (page.parent / target).exists()]


def missing_from_picture(assets: Iterable[str], picture: str) -> list[str]:
    """Assets that the picture does not show; of a family, the members after the first stand there without its name."""
    words = set(re.findall(r"\w+", picture))
    return sorted(
        asset for asset in assets if asset not in words and asset.removeprefix("experiment") not in words - {asset}
    )


def test_every_link_between_pages_leads_to_a_file() -> None:
    found = {str(page.relative_to(ROOT)): dead_links(page, page.read_text(encoding="utf-8")) for page in pages()}
    assert {page: links for page, links in found.items() if links} == {}


def test_the_picture_of_the_architecture_shows_every_asset_and_no_other() -> None:
    picture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
    assets = {key.to_user_string() for key in build_defs().resolve_asset_graph().get_all_asset_keys()}
    assert missing_from_picture(assets, picture) == []
    shown = {word for word in re.findall(r"\w*_\w+", picture) if not word.startswith("_")}
    assert shown <= assets


def test_a_dead_link_and_a_missing_asset_are_found() -> None:
    page = ROOT / "README.md"
    assert dead_links(page, "[a](docs/none.md) [b](docs/alerts.md#x) [c](https://example.org/none)") == ["docs/none.md"]
    assert missing_from_picture(["alerts", "token_calls", "experiment_fills"], "alerts _fills") == ["token_calls"]
