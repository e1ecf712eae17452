"""Which of several daemons has which console, by the Valkey or Redis server that they share.

A claim is a key with a life of `LEASE_S`, set if nobody has it and kept alive by its owner: in the
server's time, so a jump of its clock ends claims early or late, never gives two daemons one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.resources import files

import msgspec
import structlog

from vncproxy.addresses import is_base
from vncproxy.cluster.ownership import LEASE_S, Owner
from vncproxy.config.value_types import NAME_PATTERN
from vncproxy.errors import LedgerError
from vncproxy.throttle.valkey_connection import Script, ValkeyStore, not_understood

_log = structlog.get_logger("vncproxy.ownership")

_SCRIPT = Script(files("vncproxy.cluster").joinpath("valkey_ownership.lua").read_text("utf-8"))
_NAME = re.compile(NAME_PATTERN)
_UNNAMED = "another one"
_LEASE_MS = str(round(LEASE_S * 1000))


class _Claim(msgspec.Struct, frozen=True):
    """What stands on the server."""

    daemon: str
    name: str
    url: str = ""


class SharedOwnership:
    """See `Ownership`. While the server is away every claim is granted, which is logged.

    Args:
        store: Not closed by this.
        daemon_id: Stable over restarts, so that a daemon that comes back finds its own claims.
        name: Of this daemon, for the others' users.
        url: Of this daemon, for the others' users.
        pass_on: Whether this one's pages go on to theirs.
    """

    def __init__(
        self, store: ValkeyStore, daemon_id: str, name: str, url: str, *, pass_on: bool = False
    ) -> None:
        self._store = store
        self._pass_on = pass_on
        self._mine = msgspec.json.encode(_Claim(daemon_id, name, url)).decode()
        self._held: set[str] = set()
        self._away = False

    async def claim(self, instance_id: str) -> Owner | None:
        """See `Ownership.claim`."""
        if self._away:
            # `renew` finds out when the server is back, and claims it then.
            return None
        return (await self._claim([instance_id])).get(instance_id)

    async def owner(self, instance_id: str) -> Owner | None:
        """See `Ownership.owner`."""
        if self._away:
            return None
        return (await self._ask("owner", [instance_id])).get(instance_id)

    async def renew(self, instance_ids: Collection[str]) -> dict[str, Owner]:
        """See `Ownership.renew`."""
        return await self._claim(list(instance_ids))

    async def release(self, instance_id: str) -> None:
        """See `Ownership.release`; on a server that is away it ends by itself."""
        if instance_id in self._held and not self._away:
            await self._ask("release", [instance_id])
        self._held.discard(instance_id)

    async def close(self) -> None:
        """See `Ownership.close`."""
        if self._held and not self._away:
            await self._ask("release", list(self._held))
        self._held.clear()

    async def _claim(self, instance_ids: list[str]) -> dict[str, Owner]:
        others = await self._ask("claim", instance_ids)
        if not self._away:
            self._held.update(instance_ids)
            self._held.difference_update(others)
        return others

    async def _ask(self, step: str, instance_ids: list[str]) -> dict[str, Owner]:
        """Which of these another daemon has; none of them while the server is away."""
        keys = [f"console:{one}" for one in instance_ids]
        try:
            texts = await self._store.run(list[str], _SCRIPT, keys, step, self._mine, _LEASE_MS)
            if len(texts) != len(keys):
                raise not_understood()
        except LedgerError as fault:
            if not self._away:
                self._away = True
                _log.warning("ownership.unknown", why=fault.public_text)
            return {}
        if self._away:
            self._away = False
            _log.info("ownership.known_again")
        return {
            one: self._owner(text)
            for one, text in zip(instance_ids, texts, strict=True)
            if text != ""
        }

    def _owner(self, text: str) -> Owner:
        """Whose claim it is. Others write there too: only what a page may safely show is taken."""
        try:
            claim = msgspec.json.decode(text, type=_Claim)
        except (msgspec.MsgspecError, RecursionError):
            return Owner(_UNNAMED)
        name = claim.name if _NAME.match(claim.name) else _UNNAMED
        url = claim.url if is_base(claim.url) else ""
        return Owner(name, url, pass_on=self._pass_on)
