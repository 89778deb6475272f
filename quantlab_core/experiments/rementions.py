"""Which calls repeat a token that the group, or the same caller, had called before.

Like every choice of a selection this one rests on what was known: a call counts from when it could be acted on, and one
whose token nobody could prove does not count at all. Else a token written into an old message would make the first
real call of it a repetition.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantlab_core.experiments.listed_calls import Call
from quantlab_core.experiments.selection import Selection, is_left_out_as_edited, tradable_from_us


def rementions(calls: Iterable[Call], selection: Selection) -> frozenset[str]:
    """Ids of the alerts among ``calls`` that are not the first of their token: in the chat, or by the person.

    ``calls`` are all that are known, those outside the experiment's range and of other callers too. A person is counted
    over all chats; calls of nobody count as their chat's own. Of equally early calls the smaller alert id is first.
    """
    if selection.remention == "all":
        return frozenset()
    counted = [call for call in calls if not is_left_out_as_edited(call, selection)]
    counted.sort(key=lambda call: (tradable_from_us(call, selection), call.alert_id))
    first: dict[object, str] = {}
    repeated = set()
    for call in counted:
        by = call.chat_id if selection.remention == "first_in_chat" else call.person or call.chat_id
        if first.setdefault((call.token, by), call.alert_id) != call.alert_id:
            repeated.add(call.alert_id)
    return frozenset(repeated)
