"""The forms in which a secret travels."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.observe.secret_encodings import encodings_of

SECRETS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=4, max_size=24
)


@given(SECRETS, st.binary(max_size=4), st.binary(max_size=4))
@settings(max_examples=150)
def test_every_usual_encoding_is_found(secret: str, before: bytes, after: bytes) -> None:
    """URL quoting, JSON, repr and base64, alone or inside more, hold one of the encodings."""
    raw = secret.encode()
    texts = [
        secret,
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        quote_plus(secret),
        quote(secret, safe="").lower() if secret.isascii() and secret.islower() else secret,
        json.dumps({"k": f"a{secret}z"}),
        json.dumps({"k": f"a{secret}z"}, ensure_ascii=False),
        json.dumps(json.dumps({"k": secret})),
        repr(secret),
        repr(f"it's {secret}"),
        repr(f"\"it's {secret}"),
        repr(raw),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        base64.b64encode(before + raw + after).decode(),
        base64.urlsafe_b64encode(before + raw + after).decode(),
    ]
    forms = encodings_of(secret)
    assert [t for t in texts if not any(form in t for form in forms)] == []


@pytest.mark.parametrize(
    "form", ["Dvh/IA+Yc73gWO48", "Dvh%2fIA%2bYc73gWO48", "Dvh%2FIA%2BYc73gWO48"]
)
def test_a_quoted_secret_is_known_unquoted(form: str) -> None:
    """A VncUrl's parameter, held percent-encoded, is also found decoded and in lower case."""
    assert form in encodings_of("Dvh%2FIA%2BYc73gWO48")
