"""What was found, in words that never repeat a secret pasted into the wrong place."""

from __future__ import annotations

import re

_LONGEST = 80

_BARE_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}\Z")
_KEY_ID = re.compile(r"LTAI[A-Za-z0-9]{8}|STS\.[A-Za-z0-9]{8}")
"""An AccessKey id of Alibaba Cloud, or the temporary one of STS."""
_RUN = re.compile(r"[A-Za-z0-9+=_-]{16,}")
_HEX = re.compile(r"[0-9A-Fa-f]{32}")
_SECRET_NAME = re.compile(r"secret|password|token", re.IGNORECASE)


def shown(value: object, *, key: str = "") -> str:
    """A value for an error text: short, printable, and left out where it may be a secret.

    Args: key - the key's name: what stands under a name with `secret`, `password` or `token` is
    shown only if it is a path with a slash, since somebody may have put the secret itself there.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else "a number of more than 128 bits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        if looks_secret(value) or (_SECRET_NAME.search(key) and "/" not in value):
            return f"a text of {len(value)} characters (not shown: it may be a secret)"
        return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…")
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "a table" if isinstance(value, dict) else "a date or time"


def named(name: str | int) -> str:
    """A key's or variable's name for an error text: as it is, unless it is strange or a secret."""
    text = str(name)
    return text if _BARE_NAME.match(text) and not looks_secret(text) else shown(text)


def looks_secret(text: str) -> bool:
    """Whether a text resembles a key, a token, or a URL that carries one."""
    lower = text.lower()
    if _KEY_ID.search(text) or _HEX.search(text) or "%3a%2f%2f" in lower:
        return True
    if "://" in text and any(mark in text for mark in "@?#"):
        return True
    return any(_is_mixed(run) for run in _RUN.findall(text))


def _is_mixed(run: str) -> bool:
    """Whether it has small and capital letters and digits, as random texts have."""
    return all(re.search(letters, run) for letters in ("[a-z]", "[A-Z]", "[0-9]"))
