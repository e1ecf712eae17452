"""The signature equals the official SDK's."""

from __future__ import annotations

import hashlib

from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

from vncproxy.aliyun.signing import ALGORITHM, canonical_query, signed_headers
from vncproxy.observe.times import utc_text


def _signed(token: str | None, parameters: dict[str, str]) -> dict[str, str]:
    return signed_headers(
        method="POST",
        host="ecs.cn-hangzhou.aliyuncs.com",
        action="DescribeInstanceVncUrl",
        version="2014-05-26",
        parameters=parameters,
        access_key_id="id-1",
        access_key_secret="secret-1",
        security_token=token,
        date=utc_text(1_700_000_000.9),
        nonce="0123456789abcdef",
    )


def _by_the_sdk(headers: dict[str, str], parameters: dict[str, str]) -> str:
    request = DaraRequest()
    request.method = "POST"
    request.pathname = "/"
    request.query = dict(parameters)
    request.headers = {k: v for k, v in headers.items() if k != "Authorization"}
    payload = hashlib.sha256(b"").hexdigest()
    return str(Utils.get_authorization(request, ALGORITHM, payload, "id-1", "secret-1"))


def test_equals_the_sdk_with_and_without_a_token() -> None:
    """The same input gives the SDK's Authorization, for static and for STS keys."""
    parameters = {"RegionId": "cn-hangzhou", "InstanceId": "i-1", "X": "a b~c*d+e%f/ü試"}
    for token in (None, "token+/=="):
        headers = _signed(token, parameters)
        assert headers["Authorization"] == _by_the_sdk(headers, parameters)
        assert ("x-acs-security-token" in headers) == (token is not None)
        assert ("x-acs-accesskey-id" in headers) == (token is not None)


def test_every_header_is_signed() -> None:
    """Nothing but the Authorization itself is left unsigned."""
    headers = _signed("token", {})
    names = headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert sorted(names) == sorted(set(headers) - {"Authorization"})


def test_the_query_is_rfc_3986() -> None:
    """Sorted, spaces as %20, only the unreserved characters left as they are."""
    assert canonical_query({"b": "a b+", "a": "-_.~*/"}) == "a=-_.~%2A%2F&b=a%20b%2B"


def test_the_date_is_utc_in_whole_seconds() -> None:
    """The timestamp has the form that x-acs-date asks for."""
    assert utc_text(1_700_000_000.9) == "2023-11-14T22:13:20Z"
