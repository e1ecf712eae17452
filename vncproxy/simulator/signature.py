"""The check of a call's ACS3-HMAC-SHA256 signature, written from the documentation alone.

Source: Alibaba Cloud SDK documentation, "Request structure and signature, V3"; the error codes are
those of the ECS API's common errors.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_plus

from vncproxy.simulator.settings import AccessKey

ALGORITHM = "ACS3-HMAC-SHA256"
MAX_NONCES = 100_000

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-fA-F]+)"
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Refused(Exception):  # noqa: N818 - an answer of the API, not a fault of the simulator
    """The call is answered with this error code and message."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class SignedCall:
    """What of an HTTP request takes part in its signature.

    Args:
        query: As it was on the wire.
        headers: (name, value) pairs as received.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def canonical_query(wire: str) -> str:
    """The query decoded and encoded again by RFC 3986, sorted.

    Clients write a space as "+" or "*" bare on the wire and sign the strict form.
    """
    pairs = []
    for part in wire.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((unquote_plus(name), unquote_plus(value)))
    pairs.sort()
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)


def canonical_request(call: SignedCall, signed_headers: Iterable[str]) -> str:
    """The text whose hash is signed.

    Raises:
        Refused: Where a signed header is missing.
    """
    values: dict[str, list[str]] = {}
    for name, value in call.headers:
        values.setdefault(name.lower(), []).append(value.strip())
    names = list(signed_headers)
    lines = []
    for name in names:
        if name not in values:
            raise Refused("IncompleteSignature", f"The signed header {name} is missing.")
        lines.append(f"{name}:{','.join(sorted(values[name]))}\n")
    return "\n".join(
        (
            call.method,
            call.path or "/",
            canonical_query(call.query),
            "".join(lines),
            ";".join(names),
            hashlib.sha256(call.body).hexdigest(),
        )
    )


class SignatureCheck:
    """Verifies calls against a set of keys; remembers nonces for twice the clock's window."""

    def __init__(self, keys: Iterable[AccessKey], timestamp_window_s: float) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._window_s = timestamp_window_s
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()

    def verify(self, call: SignedCall, now_s: float) -> AccessKey:
        """The key that signed this call.

        Args:
            call: The call as it came.
            now_s: The cloud's wall clock, seconds since the epoch.

        Raises:
            Refused: With the code that the API would answer.
        """
        headers = {name.lower(): value.strip() for name, value in call.headers}
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            raise Refused("IncompleteSignature", f"The Authorization header is not {ALGORITHM}'s.")
        key_id, names, signature = match.groups()
        key = self._keys.get(key_id)
        if key is None:
            raise Refused("InvalidAccessKeyId.NotFound")
        _check_token(key, headers)
        self._check_timestamp(headers, now_s)
        signed = names.split(";")
        _check_signed_headers(signed, headers)
        if headers.get("x-acs-content-sha256", "") != hashlib.sha256(call.body).hexdigest():
            raise Refused("SignatureDoesNotMatch", "x-acs-content-sha256 is not the body's hash.")
        canonical = canonical_request(call, signed)
        to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        expected = hmac.new(key.secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature.lower()):
            raise Refused("SignatureDoesNotMatch")
        self._use_nonce(key_id, headers.get("x-acs-signature-nonce", ""), now_s)
        return key

    def _check_timestamp(self, headers: Mapping[str, str], now_s: float) -> None:
        text = headers.get("x-acs-date", "")
        if not text:
            raise Refused("MissingParameter", "The header x-acs-date is missing.")
        if not _TIMESTAMP.fullmatch(text):
            raise Refused("InvalidTimeStamp.Format")
        try:
            stamp = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError as error:
            raise Refused("InvalidTimeStamp.Format") from error
        if abs(stamp.timestamp() - now_s) > self._window_s:
            raise Refused("InvalidTimeStamp.Expired")

    def _use_nonce(self, key_id: str, nonce: str, now_s: float) -> None:
        if not nonce:
            raise Refused("MissingParameter", "The header x-acs-signature-nonce is missing.")
        while self._nonces and (
            len(self._nonces) >= MAX_NONCES
            or next(iter(self._nonces.values())) < now_s - 2 * self._window_s
        ):
            self._nonces.popitem(last=False)
        if (key_id, nonce) in self._nonces:
            raise Refused("SignatureNonceUsed")
        self._nonces[key_id, nonce] = now_s


def _check_token(key: AccessKey, headers: Mapping[str, str]) -> None:
    token = headers.get("x-acs-security-token", "")
    if key.security_token:
        if not token:
            raise Refused("MissingSecurityToken")
        if not hmac.compare_digest(token.encode(), key.security_token.encode()):
            raise Refused("InvalidSecurityToken.Malformed")
        if key.expired:
            raise Refused("InvalidSecurityToken.Expired")
    elif token:
        raise Refused("InvalidSecurityToken.MismatchWithAccessKey")


def _check_signed_headers(signed: list[str], headers: Mapping[str, str]) -> None:
    """Host, content-type and every x-acs-* header sent must be signed, in order."""
    if signed != sorted(set(signed)) or any(name != name.lower() for name in signed):
        raise Refused("IncompleteSignature", "SignedHeaders is not sorted, lower-case and unique.")
    must = {name for name in headers if name.startswith("x-acs-")} | {"host"}
    missing = sorted(must - set(signed))
    if missing:
        raise Refused("IncompleteSignature", f"Not signed: {', '.join(missing)}.")
