"""The signature check, against the official SDK's signer."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import pytest
from alibabacloud_tea_openapi.utils import Utils

from vncproxy.simulator import AccessKey
from vncproxy.simulator.signature import (
    ALGORITHM,
    Refused,
    SignatureCheck,
    SignedCall,
    canonical_query,
)

NOW_S = datetime(2026, 8, 1, 12, tzinfo=UTC).timestamp()
STATIC = AccessKey("key", "secret")
STS = AccessKey("sts", "other", security_token="token+/=")
OLD = AccessKey("old", "other", security_token="gone", expired=True)


def check() -> SignatureCheck:
    """Knows three keys."""
    return SignatureCheck((STATIC, STS, OLD), 900.0)


def signed(
    key: AccessKey = STATIC,
    *,
    at_s: float = NOW_S,
    nonce: str = "n-1",
    query: dict[str, str] | None = None,
    secret: str | None = None,
    token: str | None = None,
    body: bytes = b"",
    drop: str = "",
    **changed: str,
) -> SignedCall:
    """A call signed by the SDK; `changed` headers are altered after the signing."""
    parameters = {"RegionId": "cn-hangzhou"} if query is None else query
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "host": "ecs.example",
        "x-acs-action": "DescribeInstances",
        "x-acs-content-sha256": digest,
        "x-acs-date": datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": "2014-05-26",
    }
    token = key.security_token if token is None else token
    if token:
        headers["x-acs-security-token"] = token
        headers["x-acs-accesskey-id"] = key.key_id
    headers.pop(drop, None)
    request: Any = SimpleNamespace(method="POST", pathname="/", query=parameters, headers=headers)
    authorization = Utils.get_authorization(
        request, ALGORITHM, digest, key.key_id, secret or key.secret
    )
    headers = {**headers, "Authorization": authorization}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    wire = "&".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in parameters.items())
    return SignedCall("POST", "/", wire, tuple(headers.items()), body)


def code_of(call: SignedCall, verifier: SignatureCheck | None = None) -> str:
    """The error code, or OK."""
    try:
        (verifier or check()).verify(call, NOW_S)
    except Refused as refused:
        return refused.code
    return "OK"


@pytest.mark.parametrize("key", [STATIC, STS])
def test_the_official_signature_is_right(key: AccessKey) -> None:
    """With a static key and with an STS key."""
    assert check().verify(signed(key), NOW_S) == key


@pytest.mark.parametrize("value", ["a b", "*", "~", "+/=&", "ä·中", '["i-1","i-2"]', ""])
def test_the_wires_quoting_does_not_matter(value: str) -> None:
    """The wire says + for a space; the signature is over the strict form."""
    assert code_of(signed(query={"Name": value, "A": "1", "a": "2"})) == "OK"


def test_the_canonical_query_is_strict_and_sorted() -> None:
    """RFC 3986, by names."""
    assert canonical_query("b=1+2&a=*~%7E&c") == "a=%2A~~&b=1%202&c="


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (signed(secret="wrong"), "SignatureDoesNotMatch"),
        (signed(x_acs_action="DeleteInstance"), "SignatureDoesNotMatch"),
        (signed(Authorization="Basic eA=="), "IncompleteSignature"),
        (signed(AccessKey("nobody", "x")), "InvalidAccessKeyId.NotFound"),
        (signed(at_s=NOW_S - 901), "InvalidTimeStamp.Expired"),
        (signed(at_s=NOW_S + 901), "InvalidTimeStamp.Expired"),
        (signed(at_s=NOW_S - 899), "OK"),
        (signed(x_acs_date="yesterday"), "InvalidTimeStamp.Format"),
        (signed(x_acs_date="2026-13-01T00:00:00Z"), "InvalidTimeStamp.Format"),
        (signed(drop="x-acs-date"), "MissingParameter"),
        (signed(drop="x-acs-signature-nonce"), "MissingParameter"),
        (signed(drop="host"), "IncompleteSignature"),
        (signed(x_acs_extra="unsigned"), "IncompleteSignature"),
        (signed(STS, token=""), "MissingSecurityToken"),
        (signed(STS, token="else"), "InvalidSecurityToken.Malformed"),
        (signed(OLD), "InvalidSecurityToken.Expired"),
        (signed(STATIC, token="surplus"), "InvalidSecurityToken.MismatchWithAccessKey"),
    ],
)
def test_what_is_wrong_has_its_code(call: SignedCall, code: str) -> None:
    """The codes of the API's reference."""
    assert code_of(call) == code


def test_a_changed_query_or_body_is_noticed() -> None:
    """Both are covered by the signature."""
    call = signed()
    other = SignedCall(call.method, call.path, "RegionId=cn-beijing", call.headers, b"")
    assert code_of(other) == "SignatureDoesNotMatch"
    other = SignedCall(call.method, call.path, call.query, call.headers, b"body")
    assert code_of(other) == "SignatureDoesNotMatch"


def test_a_nonce_is_good_once() -> None:
    """For each key; a refused call doesn't use it up."""
    verifier = check()
    assert code_of(signed(secret="wrong"), verifier) == "SignatureDoesNotMatch"
    assert code_of(signed(), verifier) == "OK"
    assert code_of(signed(), verifier) == "SignatureNonceUsed"
    assert code_of(signed(nonce="n-2"), verifier) == "OK"
    assert code_of(signed(STS), verifier) == "OK"
