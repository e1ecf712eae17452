"""Signatures of the cloud's RPC-style calls: ACS3-HMAC-SHA256.

Source: Alibaba Cloud documentation, "V3 request body and signature mechanism" (a call is
`POST /?parameters` with an empty body); checked in the tests against the official SDK.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
_EMPTY_BODY_SHA256 = hashlib.sha256(b"").hexdigest()


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The query as it is signed, and as it is sent, so that both sides see the same bytes.

    RFC 3986 encoding (a space is %20, never +), sorted by name. A parameter that is encoded
    differently on the two sides gives another hash, and SignatureDoesNotMatch.
    """
    return "&".join(f"{_encoded(name)}={_encoded(parameters[name])}" for name in sorted(parameters))


def signed_headers(
    *,
    method: str,
    host: str,
    action: str,
    version: str,
    parameters: Mapping[str, str],
    access_key_id: str,
    access_key_secret: str,
    security_token: str | None,
    date: str,
    nonce: str,
) -> dict[str, str]:
    """The headers that make one call valid, once.

    Args:
        method: HTTP's.
        host: As in the Host header, with the port unless it is the scheme's own.
        action: The API action.
        version: The API's, as in 2014-05-26.
        parameters: Of the action; they go into the query.
        access_key_id: Whose signature it is.
        access_key_secret: What it is made with.
        security_token: Only with temporary (STS) keys.
        date: By `utc_text`, within 15 minutes of the cloud's clock.
        nonce: Never used before.

    Returns:
        host, x-acs-* and Authorization. They hold secrets: never log them.
    """
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": _EMPTY_BODY_SHA256,
        "x-acs-date": date,
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    if security_token:
        headers["x-acs-accesskey-id"] = access_key_id
        headers["x-acs-security-token"] = security_token
    # What is signed has six lines: method, path, query, headers (each with a line end of its own),
    # their names, hash of the body. The server builds the same from the request and compares, so
    # order and line ends matter. Host is among the headers: a call that was signed for one region's
    # endpoint can't be sent to another.
    names = sorted(headers)
    signed_names = ";".join(names)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    request = "\n".join(
        (method, "/", canonical_query(parameters), lines, signed_names, _EMPTY_BODY_SHA256)
    )
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(access_key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"{ALGORITHM} Credential={access_key_id},SignedHeaders={signed_names},Signature={signature}"
    )
    return headers


@lru_cache(256)
def _encoded(text: str) -> str:
    # Names, regions and instances come again and again; no secret is among the parameters.
    return quote(text, safe="~")
