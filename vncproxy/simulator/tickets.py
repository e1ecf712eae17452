"""VncUrls: made for one instance, valid once, for a while.

Source: ECS API reference, DescribeInstanceVncUrl; that a URL works only once is assumed, since the
documentation leaves it open and the stricter rule is the safer one to live by.
"""

from __future__ import annotations

import base64
import random
from collections import OrderedDict
from typing import Literal
from urllib.parse import quote

from vncproxy.simulator.record import Breach

MAX_TICKETS = 10_000
_TOKEN_BYTES = 31


class Tickets:
    """The tokens given out, bounded: the oldest are forgotten first."""

    def __init__(self, ttl_s: float, randomness: random.Random) -> None:
        self._ttl_s = ttl_s
        self._random = randomness
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._used: OrderedDict[str, str] = OrderedDict()

    def make(self, instance_id: str, now_s: float) -> str:
        """A fresh token.

        Args:
            instance_id: Whose console it opens.
            now_s: Monotonic seconds.
        """
        while True:
            token = base64.b64encode(self._random.randbytes(_TOKEN_BYTES)).decode()
            # Every token has the characters that a wrong decoder spoils: none passes by luck.
            if {"/", "+", "="} <= set(token):
                break
        self._known[token] = (instance_id, now_s)
        while len(self._known) > MAX_TICKETS:
            self._known.popitem(last=False)
        return token

    def use(self, token: str, now_s: float) -> tuple[str, Breach | None]:
        """Spend a token: the instance ("" if unknown), and the rule that this breaks, if any."""
        known = self._known.pop(token, None)
        if known is None:
            instance_id = self._used.get(token)
            if instance_id is None:
                return "", Breach.UNKNOWN_URL
            return instance_id, Breach.REUSED_URL
        instance_id, made_s = known
        self._used[token] = instance_id
        while len(self._used) > MAX_TICKETS:
            self._used.popitem(last=False)
        if now_s - made_s > self._ttl_s:
            return instance_id, Breach.EXPIRED_URL
        return instance_id, None


def vnc_url(scheme: str, host: str, token: str, encoding: Literal["quoted", "plain"]) -> str:
    """The VncUrl as the API answers it: the token encoded, and then the whole URL once more.

    Args:
        scheme: "ws" or "wss".
        host: "name:port".
        token: The secret in the URL.
        encoding: How the answer is encoded.
    """
    url = f"{scheme}://{host}/websockify/?s={quote(token, safe='')}"
    return quote(url, safe="") if encoding == "quoted" else url
