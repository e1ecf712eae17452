"""The forms in which a secret travels: URLs, JSON, reprs and base64 each write it differently."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_SAME_EVERYWHERE = re.compile(r"[A-Za-z0-9_.~-]*")
"""No URL, JSON or repr writes these characters in another way."""
_UNESCAPED = re.compile(r"[ !#-&(-\[\]-~]*")
"""No JSON or repr does: printable ASCII but quotes and the backslash."""


def encodings_of(secret: str) -> frozenset[str]:
    """Every text in which the secret can be read back, once escaped, as JSON also twice."""
    plain = {secret, unquote(secret)}
    for text in tuple(plain):
        if _SAME_EVERYWHERE.fullmatch(text):
            continue
        encoded = {quote(text, safe=""), quote(text), quote_plus(text), quote(quote(text, safe=""))}
        plain |= encoded | {_ESCAPE.sub(lambda m: m[0].lower(), form) for form in encoded}
    found = set(plain)
    for text in plain:
        found.update(_escaped(text))
    found.update(_base64(secret.encode("utf-8", "surrogatepass")))
    return frozenset(found)


def _escaped(text: str) -> Iterator[str]:
    if _UNESCAPED.fullmatch(text):
        return
    # With both quotes in it repr escapes one of them; without, it chooses the other: three forms.
    yield repr(text)[1:-1]
    yield repr(f"\"'{text}")[4:-1]
    yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]
    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]


def _base64(secret: bytes) -> Iterator[str]:
    """Base64 of the secret alone and inside something longer, as in Basic authorization."""
    forms = [base64.b64encode(secret).decode().rstrip("=")]
    for before, mixed in enumerate((0, 2, 3)):
        text = base64.b64encode(bytes(before) + secret).decode()
        # Characters that hold bits of the neighbours too are left out.
        forms.append(text[mixed : (before + len(secret)) * 8 // 6])
    for form in forms:
        yield form
        yield form.translate({ord("+"): "-", ord("/"): "_"})
