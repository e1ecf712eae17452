"""Any URL that is encoded once comes out whole; nothing that goes in can break the decoder."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.errors import CloudError


@settings(max_examples=200)
@given(token=st.binary(min_size=1, max_size=60), scheme=st.sampled_from(["ws", "wss"]))
def test_encoded_once_comes_out_whole(token: bytes, scheme: str) -> None:
    """Whatever bytes the token stands for: decoding undoes one encoding and no more."""
    text = f"{scheme}://h.example.com:8080/websockify/?s={quote(token, safe='')}"
    assert VncUrl.decode(quote(text, safe=""), 0.0).reveal() == text
    assert VncUrl.decode(text, 0.0).reveal() == text


@settings(max_examples=200)
@given(
    answer=st.text(max_size=60) | st.text("ws:/%2F3A@[]#\\ab0", max_size=40).map("wss://".__add__)
)
def test_only_cloud_errors_come_out(answer: str) -> None:
    """Any text is either a printable ws URL with a host and no user, or a CloudError."""
    with suppress(CloudError):
        url = VncUrl.decode(answer, 0.0)
        text = url.reveal()
        assert text.lower().startswith(("ws://", "wss://"))
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text
        assert url.host
        assert "@" not in text.split("/")[2]
