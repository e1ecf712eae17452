"""The user named in a reverse proxy's header, and whether that proxy is trusted. Pure.

The proxy has to come from a listed address, or through the door's Unix socket, and to know the
secret: on one machine every account reaches the same loopback address. A header that comes twice
counts as none, since the proxy may have added its own to one that its client sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from multidict import CIMultiDict, CIMultiDictProxy

from vncproxy.config.model import Listen
from vncproxy.config.secrets import read_header_secret
from vncproxy.config.users_file import is_user_name
from vncproxy.errors import AccessError
from vncproxy.websocket.peer_account import socket_address

SECRET_HEADER = "X-Vncproxy-Secret"  # noqa: S105 - a header's name

OWS = " \t"
"""What may stand around a header's value: optional white space. Source: RFC 9110, section 5.6.3."""


class WrongSecretError(Exception):
    """It may have been a guess, so it has to be counted."""


Headers = CIMultiDict[str] | CIMultiDictProxy[str]


class ProxyHeaders:
    """The checks of one `header` door.

    Args:
        trusted: The proxies' addresses.
        secret: What they have to send, not empty.
    """

    def __init__(self, trusted: Sequence[str], user_header: str, secret: str) -> None:
        """Keep what is compared; of the secret its digest."""
        self._trusted = frozenset(socket_address(address, 0)[0] for address in trusted)
        self._user_header = user_header
        assert secret, "without one, everybody on a proxy's machine could be anybody"
        self._digest = hashlib.sha256(secret.encode()).digest()

    def user(self, remote: str | None, headers: Headers) -> str:
        """Who is behind the proxy.

        Args:
            remote: Its address; None: through a Unix socket.
            headers: Those of the request.

        Raises:
            AccessError: 401; it isn't a proxy of ours, or it names nobody.
            WrongSecretError: The secret is missing or wrong.
        """
        if remote is not None and socket_address(remote, 0)[0] not in self._trusted:
            raise AccessError(
                401, "not-a-proxy", "This door is for its proxies only; come through one of them."
            )
        secrets = headers.getall(SECRET_HEADER, [])
        if len(secrets) != 1:
            raise AccessError(
                401, "no-secret", f"The proxy has to send its secret in one {SECRET_HEADER}."
            )
        if not self._is_secret(secrets[0]):
            raise WrongSecretError
        users = headers.getall(self._user_header, [])
        user = users[0].strip(OWS) if len(users) == 1 else ""
        if not is_user_name(user):
            raise AccessError(
                401, "no-user", f"The proxy has to name one user in {self._user_header}."
            )
        return user

    def _is_secret(self, text: str) -> bool:
        given = hashlib.sha256(text.encode(errors="replace")).digest()
        return hmac.compare_digest(given, self._digest)


def header_secret_of(listen: Listen) -> str:
    """What the proxies of a door have to send, "" for a door without.

    Raises:
        ConfigError: The file with the secret can't be used.
    """
    file = listen.header_secret_file
    return read_header_secret(file) if file is not None else ""
