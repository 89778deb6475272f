"""A large Telegram export of a call group, always the same: mostly chatter, with the demo's calls and cards between.

Written as Telegram Desktop writes it, about 400 bytes a message. Of 1,000 messages, 15 are calls and 20 bot cards.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from quantlab_core.demo.demo_world import demo_world

_DEMO_EVERY = 20
_FIRST_SECOND = 1_735_689_600  # 2025-01-01
_SECONDS_BETWEEN = 20
_WORDS = [
    "gm",
    "anyone",
    "still",
    "holding",
    "this",
    "one",
    "or",
    "did",
    "you",
    "all",
    "sell",
    "into",
    "the",
    "pump",
    "😂",
    "chart",
    "looks",
    "fine",
    "to",
    "me",
    "volume",
    "is",
    "dying",
    "though",
    "wen",
    "next",
    "leg",
    "lol",
    "bro",
    "same",
    "dev",
    "as",
    "yesterday",
    "check",
    "the",
    "holders",
    "first",
    "team",
    "is",
    "based",
    "liquidity",
    "locked",
    "nice",
    "entry",
    "was",
    "40k",
    "now",
    "120k",
    "🚀🚀",
    "$SOL",
    "dumping",
    "again",
    "что",
    "думаете",
    "guys",
    "2x",
    "is",
    "2x",
    "take",
    "profit",
    "don't",
    "be",
    "greedy",
    "https://x.com/a",
]
_NAMES = ("Ann", "bob | calls", "Čeněk", "dee 🦉", "0xEve", "Фёдор", "gigi")
_CHATTER = """  {
   "id": %d,
   "type": "message",
   "date": "2025-01-01T00:00:00",
   "date_unixtime": "%d",
   "from": "%s",
   "from_id": "user%d",%s
   "text": "%s",
   "text_entities": [
    {
     "type": "plain",
     "text": "%s"
    }
   ]
  }"""


def write_large_export(path: Path, messages: int, *, first: int = 0) -> None:
    """Write an export of so many messages to ``path``, numbered from ``first``; memory does not grow with them."""
    chance = random.Random(7 + first)
    demo = [_template(message) for message in demo_world().export["messages"]]
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{\n "name": "Evening calls",\n "type": "private_supergroup",\n')
        stream.write(' "id": 1234567890,\n "messages": [\n')
        for number in range(first, first + messages):
            second = _FIRST_SECOND + number * _SECONDS_BETWEEN
            if number % _DEMO_EVERY == 0:
                template = demo[number // _DEMO_EVERY % len(demo)]
                text = template.replace("%id%", str(number)).replace("%unix%", str(second))
            else:
                text = _chatter(chance, number, second)
            stream.write(text + (",\n" if number < first + messages - 1 else "\n"))
        stream.write(" ]\n}\n")


def _chatter(chance: random.Random, number: int, second: int) -> str:
    who = chance.randrange(len(_NAMES))
    words = " ".join(chance.choices(_WORDS, k=chance.randrange(2, 16)))
    answer = f'\n   "reply_to_message_id": {number - chance.randrange(1, 30)},' if chance.random() < 0.3 else ""
    return _CHATTER % (number, second, _NAMES[who], 4_000 + who, answer, words, words)


def _template(message: dict[str, Any]) -> str:
    """The message as text, with ``%id%`` and ``%unix%`` where its own id and time stand; edits and replies left out."""
    gone = ("reply_to_message_id", "edited", "edited_unixtime")
    kept = {key: value for key, value in message.items() if key not in gone}
    text = json.dumps({**kept, "id": "%id%", "date_unixtime": "%unix%"}, ensure_ascii=False, indent=1)
    return "\n".join("  " + line for line in text.replace('"%id%"', "%id%").split("\n"))
