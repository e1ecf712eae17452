"""What a configuration comes to: all files read that it names, and what a reload exchanges.

What may fail comes first and has no effect: a reload that is refused leaves everything as it was.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vncproxy.access.authority import Policy
from vncproxy.access.proxy_header import header_secret_of
from vncproxy.access.users import Users
from vncproxy.cluster.cluster import store_password
from vncproxy.config.model import Config, Limits, Listen
from vncproxy.config.users_file import User
from vncproxy.config.value_types import PageLanguage
from vncproxy.instances.configured import instances_of, native_passwords_of
from vncproxy.instances.instance_list import ConsoleInstance, InstanceList
from vncproxy.observe.redaction import Redactor
from vncproxy.recording.folder import RecordingFolder
from vncproxy.service.cloud_client import Cloud
from vncproxy.web.door import DoorSettings, Token
from vncproxy.web.native_door import NativeConsole
from vncproxy.web.server import server_tls


@dataclass(frozen=True, slots=True, repr=False)
class LoadedConfig:
    """A configuration, and what the files hold that it names."""

    config: Config
    instances: list[ConsoleInstance]
    native: Mapping[int, NativeConsole]
    """By port."""
    tls: list[ssl.SSLContext | None]
    """For each listener in turn."""
    header_secrets: list[str]
    """For each listener in turn."""
    users: Users

    @classmethod
    def of(
        cls,
        config: Config,
        listeners: Sequence[Listen],
        users_changed: Callable[[tuple[User, ...], tuple[User, ...]], None] = lambda *_: None,
    ) -> LoadedConfig:
        """Read everything.

        Args:
            config: The settings.
            listeners: The [[listen]] blocks, each with the address where it really is.
            users_changed: As for `Users`.

        Raises:
            ConfigError: A file can't be used.
        """
        instances = instances_of(config)
        passwords = native_passwords_of(config)
        native = {
            one.tcp_port: NativeConsole(instance, passwords[one.id])
            for one, instance in zip(config.instance, instances, strict=True)
            if one.tcp_port is not None
        }
        return cls(
            config,
            instances,
            native,
            [server_tls(listen) for listen in listeners],
            [header_secret_of(listen) for listen in listeners],
            Users(config.access.users_file, users_changed),
        )

    def hide(self, redactor: Redactor) -> None:
        """Register every secret that was read."""
        for instance in self.instances:
            if instance.password:
                redactor.register(instance.password)
        for console in self.native.values():
            redactor.register(console.password)
        for secret in self.header_secrets:
            redactor.register(secret)
        if password := store_password(self.config.throttle):
            redactor.register(password)


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """Everything that a reload exchanges, complete once it is made."""

    loaded: LoadedConfig
    token: Token
    doors: tuple[DoorSettings, ...]
    """For each listener in turn."""
    control: DoorSettings
    """For the control socket of the daemon's own commands."""
    policy: Policy
    cloud: Cloud
    inventory: InstanceList
    recording_folder: RecordingFolder

    @property
    def config(self) -> Config:
        """The settings."""
        return self.loaded.config

    @property
    def limits(self) -> Limits:
        """[limits]."""
        return self.config.limits

    @property
    def thumbnails(self) -> bool:
        """Whether the list shows the instances' screens."""
        return self.config.pages.thumbnails

    @property
    def language(self) -> PageLanguage:
        """[pages] language."""
        return self.config.pages.language

    @property
    def metrics_open(self) -> bool:
        """Whether everybody who reaches a listener may read the metrics."""
        return self.config.metrics.access == "open"


T = TypeVar("T")


class Current(Generic[T]):
    """Holds what was loaded last. It is read at each use; a reload exchanges it whole.

    Code that needs the same settings over an `await` keeps what `now` gave, and none keeps it for
    longer than one piece of work.
    """

    def __init__(self, first: T) -> None:
        """Begin with what was loaded at the start."""
        self._now = first

    @property
    def now(self) -> T:
        """What is in force; never changed, only exchanged."""
        return self._now

    def swap(self, new: T) -> T:
        """From now on this is in force.

        Returns:
            What was until now.
        """
        old, self._now = self._now, new
        return old
