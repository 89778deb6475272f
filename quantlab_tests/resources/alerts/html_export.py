"""Invented chats as Telegram Desktop writes them in HTML, from the same entries that its JSON has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
HEAD = (
    '<!DOCTYPE html>\n<html>\n\n <head>\n\n  <meta charset="utf-8"/>\n<title>Exported Data</title>\n </head>\n\n'
    ' <body onload="CheckLocation();">\n\n  <div class="page_wrap">\n\n   <div class="page_header">\n\n'
    '    <div class="content">\n\n     <div class="text bold">\n{name}\n     </div>\n\n    </div>\n\n   </div>\n\n'
    '   <div class="page_body chat_page">\n\n    <div class="history">\n{links}'
)
TAIL = "\n    </div>\n\n   </div>\n\n  </div>\n\n </body>\n\n</html>\n"


def page(
    entries: Sequence[Mapping[str, Any]],
    *,
    name: str = "Evening calls",
    zone: ZoneInfo = BERLIN,
    offset: str = " UTC+01:00",
    other_pages: Sequence[str] = (),
) -> str:
    """One page of these entries; ``joined: True`` in an entry writes it without its sender's name."""
    links = "".join(f'<a class="pagination block_link" href="{other}">\nmessages\n</a>\n' for other in other_pages)
    body = "".join(_message(entry, zone, offset) for entry in entries)
    return HEAD.format(name=escape(name), links=links) + day_heading(-1, "1 May 2025") + body + TAIL


def day_heading(number: int, text: str) -> str:
    return service(number, text)


def service(number: int | str, text: str) -> str:
    return (
        f'\n     <div class="message service" id="message{number}">\n\n      <div class="body details">\n{text}\n'
        "      </div>\n\n     </div>\n"
    )


def _message(entry: Mapping[str, Any], zone: ZoneInfo, offset: str) -> str:
    if entry["type"] == "service":
        return service(entry["id"], "ann pinned this message")
    local = datetime.fromtimestamp(int(entry["date_unixtime"]), UTC).astimezone(zone)
    joined = " joined" if entry.get("joined") else ""
    bot = f" via {entry['via_bot']}" if "via_bot" in entry else ""
    block = [
        f'\n     <div class="message default clearfix{joined}" id="message{entry["id"]}">\n\n'
        '      <div class="body">\n\n       <div class="pull_right date details" '
        f'title="{local:%d.%m.%Y %H:%M:%S}{offset}">\n{local:%H:%M}\n'
        "       </div>\n"
    ]
    if not joined:
        block.append(f'\n       <div class="from_name">\n{escape(str(entry["from"]))}{bot}\n       </div>\n')
    if "forwarded_from" in entry:
        block.append(
            f'\n       <div class="forwarded body">\n\n        <div class="from_name">\n{entry["forwarded_from"]}'
            '<span class="date details" title="01.01.2025 10:00:00 UTC+01:00"> 01.01.2025 10:00:00</span>\n'
            "        </div>\n"
        )
    if "reply_to_message_id" in entry:
        to = entry["reply_to_message_id"]
        block.append(
            '\n       <div class="reply_to details">\nIn reply to '
            f'<a href="#go_to_message{to}" onclick="return GoToMessage({to})">this message</a>\n       </div>\n'
        )
    if text := _text(entry["text"]):
        block.append(f'\n       <div class="text">\n{text}\n       </div>\n')
    if "inline_bot_buttons" in entry:
        block.append(_buttons(entry["inline_bot_buttons"]))
    if "forwarded_from" in entry:
        block.append("\n       </div>\n")
    block.append("\n      </div>\n\n     </div>\n")
    return "".join(block)


def _text(parts: object) -> str:
    written = []
    for part in parts if isinstance(parts, list) else [parts]:
        kind = "plain" if isinstance(part, str) else part["type"]
        shown = escape(part if isinstance(part, str) else part["text"]).replace("\n", "<br>")
        if kind == "text_link":
            written.append(f'<a href="{escape(part["href"])}">{shown}</a>')
        elif kind == "link":
            written.append(f'<a href="{shown}">{shown}</a>')
        elif kind == "mention":
            written.append(f'<a href="https://t.me/{shown[1:]}">{shown}</a>')
        elif kind == "cashtag":
            written.append(f'<a href="" onclick="return ShowCashtag(&quot;{shown[1:]}&quot;)">{shown}</a>')
        elif kind == "bold":
            written.append(f"<strong>{shown}</strong>")
        elif kind == "spoiler":
            written.append(f'<span class="spoiler hidden" onclick="X"><span aria-hidden="true">{shown}</span></span>')
        else:
            written.append(shown)
    return "".join(written)


def _buttons(rows: Sequence[Sequence[Mapping[str, str]]]) -> str:
    written = ""
    for row in rows:
        cells = "".join(
            '<div class="bot_button"><a '
            + (f'href="{escape(button["data"])}"' if button["type"] == "url" else f'onclick="{escape(button["data"])}"')
            + f"><div>\n{escape(button['text'])}\n</div></a></div>"
            for button in row
        )
        written += f'<tr><td class="bot_button_row">{cells}</td></tr>'
    return f'<table class="bot_buttons_table"><tbody>{written}</tbody></table>'
