"""For whatever parameters: our signature is the official SDK's."""

from __future__ import annotations

import hashlib

from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.aliyun.signing import ALGORITHM, signed_headers

_VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text("~*+% &=/?-_.ü試'\"", max_size=20),
)
_NAMES = st.text("abcXYZ019.", min_size=1, max_size=12)
_KEYS = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=.-", min_size=1, max_size=60
)


@settings(max_examples=200)
@given(
    parameters=st.dictionaries(_NAMES, _VALUES, max_size=8),
    key_id=_KEYS,
    secret=_KEYS,
    token=st.none() | _KEYS,
    nonce=_KEYS,
)
def test_equals_the_sdk(
    parameters: dict[str, str], key_id: str, secret: str, token: str | None, nonce: str
) -> None:
    """The SDK's get_authorization gives the same for the same headers and parameters."""
    headers = signed_headers(
        method="POST",
        host="ecs.cn-hangzhou.aliyuncs.com:8443",
        action="DescribeInstances",
        version="2014-05-26",
        parameters=parameters,
        access_key_id=key_id,
        access_key_secret=secret,
        security_token=token,
        date="2026-01-02T03:04:05Z",
        nonce=nonce,
    )
    request = DaraRequest()
    request.method = "POST"
    request.pathname = "/"
    request.query = dict(parameters)
    request.headers = {k: v for k, v in headers.items() if k != "Authorization"}
    payload = hashlib.sha256(b"").hexdigest()
    oracle = Utils.get_authorization(request, ALGORITHM, payload, key_id, secret)
    assert headers["Authorization"] == oracle
