"""What the configuration gives, with all files read that it names: what may fail comes first."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from vncproxy.access.proxy_header import header_secret_of
from vncproxy.access.users import Users
from vncproxy.cluster.cluster import store_password
from vncproxy.config.model import Config
from vncproxy.console.instances import ConsoleInstance
from vncproxy.observe.redaction import Redactor
from vncproxy.service.activation import Entrance
from vncproxy.service.instances import instances_of, native_passwords_of
from vncproxy.web.server import server_tls


@dataclass(frozen=True, slots=True, repr=False)
class LoadedConfig:
    """One reading.

    Args: native_passwords - by instance id; tls, header_secrets - for each door in turn.
    """

    config: Config
    instances: list[ConsoleInstance]
    native_passwords: dict[str, str]
    tls: list[ssl.SSLContext | None]
    header_secrets: list[str]
    users: Users

    @classmethod
    def of(cls, config: Config, entrances: Sequence[Entrance]) -> LoadedConfig:
        """Read everything. Raises: ConfigError - a file can't be used."""
        return cls(
            config,
            instances_of(config),
            native_passwords_of(config),
            [server_tls(entrance.listen) for entrance in entrances],
            [header_secret_of(entrance.listen) for entrance in entrances],
            Users(config.access.users_file),
        )

    @property
    def discover_in(self) -> tuple[str, ...]:
        """Regions whose instances are all listed."""
        return self.config.aliyun.discover_in

    def hide(self, redactor: Redactor) -> None:
        """Register every secret that was read."""
        for instance in self.instances:
            if instance.password:
                redactor.register(instance.password)
        for secret in (*self.native_passwords.values(), *self.header_secrets):
            redactor.register(secret)
        if password := store_password(self.config.throttle):
            redactor.register(password)
