"""What a user may be called, whoever says so: a proxy, a rule, this machine's accounts.

Names are compared as they are. One that looks like another, or like nothing, is refused rather than
mended: what was cut off it would make it somebody else's.
"""

from __future__ import annotations

import re

MAX_LENGTH = 255
AROUND = " \t"
"""What may stand around a header's value. Source: RFC 9110, section 5.5."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Those that `str.isprintable` counts as visible. Source: Unicode, Default_Ignorable_Code_Point;
and the empty Braille pattern."""


def is_user_name(text: str) -> bool:
    """Whether it can be one user's name.

    No white space but single spaces within it, nothing that can't be seen; no comma, which would
    join two headers into one; and what begins with @ is a group in a rule.
    """
    if not 0 < len(text) <= MAX_LENGTH or text.startswith("@") or "," in text:
        return False
    return text.isprintable() and text == text.strip() and _INVISIBLE.search(text) is None
