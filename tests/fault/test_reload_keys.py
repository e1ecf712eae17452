"""Every key of the configuration, one by one: a reload applies it, or says that it can't.

A key that is new in the model has to be named here: where it shows that the running daemon has it.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, fields, replace

from tests.authority import Authority
from tests.setup import Running, running, until
from vncproxy.config.model import (
    NEED_RESTART,
    Access,
    Aliyun,
    Audit,
    Config,
    Instance,
    Limits,
    Log,
    Metrics,
    Pages,
    Recording,
    Rule,
)
from vncproxy.config.users_file import change_users, new_user
from vncproxy.web.door import Token
from vncproxy.web.origin import parse_origins

TOKEN = "another-token-of-this-daemon-000000"


def changed(before: Config, folder: Path, authority: Authority) -> Config:
    """All keys that don't need a restart have other values, with which a console still opens."""
    users, token, record = folder / "users.toml", folder / "token.txt", folder / "recordings"
    change_users(users, lambda before: (new_user("ann", ())[0],))
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    endpoint = str(before.aliyun.endpoint).replace("127.0.0.1", "localhost")
    return replace(
        before,
        access=Access(
            token_file=token,
            users_file=users,
            allowed_hosts=("b.example",),
            allowed_origins=("https://o.example",),
            session_lifetime=60.0,
        ),
        aliyun=Aliyun(
            region="cn-beijing",
            endpoint=endpoint,
            connect_host="127.0.0.1",
            ca_file=authority.ca_file,
            official_page="https://page.example/",
            discover=True,
            regions=("cn-shanghai",),
            call_timeout=3.0,
            gateway_hosts=("localhost", "127.0.0.1"),
            power=True,
        ),
        limits=Limits(
            url_ttl=14.0,
            idle_timeout=50.0,
            upstream_timeout=16.0,
            keepalive_interval=10.0,
            keepalive_key=0xFFE1,
            reconnects_per_minute=7,
            reconnects_key="account",
            linger=1.0,
            max_wait=90.0,
            control_request_timeout=9.0,
            viewer_idle_timeout=600.0,
            session_max_age=900.0,
            ping_interval=11.0,
            ping_timeout=12.0,
            viewer_queue=1 << 20,
            slow_viewer_timeout=13.0,
            drain_timeout=4.0,
            max_viewers=5,
            max_consoles=6,
        ),
        log=Log(format="console", level="warning"),
        audit=Audit(file=folder / "audit-2.jsonl"),
        recording=Recording(directory=record, required=True, max_bytes=1 << 21, max_age=3600.0),
        pages=Pages(thumbnails=True, language="zh"),
        metrics=Metrics(access="open"),
        instance=(*before.instance, Instance(id="i-new")),
        rule=(Rule(users=("anyone",), instances=("*",)),),
    )


@dataclass
class Seen:
    """The daemon after a reload, and a viewer on a console that was opened since."""

    setup: Running
    want: Config

    def __post_init__(self) -> None:
        """The parts that many keys show in; their insides are looked at."""
        self.daemon: Any = self.setup.daemon
        self.door: Any = self.daemon.servers[0].behind.door.settings
        self.services: Any = self.daemon.servers[0].behind.services
        self.registry: Any = self.services.registry
        [self.console] = self.registry.consoles
        self.supervisor: Any = self.console.supervisor
        [viewer] = self.console.viewers
        self.stay: Any = viewer.time_limits.limits
        self.transport: Any = viewer._transport
        self.ledger: Any = self.daemon.components.cluster.ledger
        self.cloud: Any = self.daemon.components.cloud.now
        self.folder: Any = self.daemon.components.recordings.folder

    def instance(self, instance_id: str) -> Any:
        """As the inventory has it, None for one that isn't there."""
        found = self.services.inventory.known
        return next((one for one in found if one.id == instance_id), None)


def _certificates(context: ssl.SSLContext) -> list[bytes]:
    return context.get_ca_certs(binary_form=True)


SHOWS: dict[str, Callable[[Seen], object]] = {
    "access.token_file": lambda s: s.door.token == Token.of(TOKEN),
    "access.users_file": lambda s: s.door.users.path == s.want.access.users_file,
    "access.allowed_hosts": lambda s: "b.example" in s.door.hosts,
    "access.allowed_origins": lambda s: s.door.origins == parse_origins(["https://o.example"]),
    "access.session_lifetime": lambda s: s.services.sessions.life_s == 60.0,
    "aliyun.region": lambda s: s.instance("i-new").region == "cn-beijing",
    "aliyun.endpoint": lambda s: "localhost" in str(s.cloud.client._endpoint),
    "aliyun.connect_host": lambda s: s.cloud.dial_settings.connect_host == "127.0.0.1",
    "aliyun.ca_file": lambda s: (
        ssl.PEM_cert_to_DER_cert(Path(str(s.want.aliyun.ca_file)).read_text())
        in _certificates(s.cloud.client._ssl_context)
    ),
    # A command's, which reads the file each time.
    "aliyun.official_page": lambda s: s.daemon.config.aliyun.official_page.endswith("example/"),
    "aliyun.discover": lambda s: s.services.inventory._discover_in != (),
    "aliyun.regions": lambda s: s.services.inventory._discover_in == ("cn-shanghai",),
    "aliyun.call_timeout": lambda s: (
        (s.cloud.client._call_timeout_s, s.ledger._file.budget.hold_s) == (3.0, 3.0)
    ),
    "aliyun.gateway_hosts": lambda s: s.cloud.client._gateway_hosts == ("localhost", "127.0.0.1"),
    "aliyun.power": lambda s: s.services.authority._rules._owner_power,
    "limits.url_ttl": lambda s: s.supervisor._link_opener._url_ttl_s == 14.0,
    "limits.idle_timeout": lambda s: 50.0 in s.supervisor.learning.keepalive._limits_s,
    "limits.upstream_timeout": lambda s: s.supervisor._link_opener._dial_timeout_s == 16.0,
    "limits.keepalive_interval": lambda s: s.supervisor.learning.keepalive._interval_s == 10.0,
    "limits.keepalive_key": lambda s: s.supervisor.learning.keepalive._keysym == 0xFFE1,
    "limits.reconnects_per_minute": lambda s: s.ledger._file.budget.limit == 7,
    "limits.reconnects_key": lambda s: s.supervisor.budget_key == "account",
    "limits.linger": lambda s: s.console.limits.linger == 1.0,
    "limits.max_wait": lambda s: s.console.limits.max_wait == 90.0,
    "limits.control_request_timeout": lambda s: (
        s.console.control_requests._request_timeout_s == 9.0
    ),
    "limits.viewer_idle_timeout": lambda s: s.stay.idle_timeout_s == 600.0,
    "limits.session_max_age": lambda s: s.stay.max_age_s == 900.0,
    "limits.ping_interval": lambda s: s.transport._ping_interval_s == 11.0,
    "limits.ping_timeout": lambda s: s.transport._ping_timeout_s == 12.0,
    "limits.viewer_queue": lambda s: s.console.router._viewer_queue_bytes == 1 << 20,
    "limits.slow_viewer_timeout": lambda s: s.stay.slow_timeout_s == 13.0,
    "limits.drain_timeout": lambda s: s.daemon.config.limits.drain_timeout == 4.0,
    "limits.max_viewers": lambda s: s.console.limits.max_viewers == 5,
    "limits.max_consoles": lambda s: s.registry._limits().max_consoles == 6,
    "log.format": lambda s: not s.setup.log.getvalue().splitlines()[-1].startswith("{"),
    "log.level": lambda s: logging.getLogger("vncproxy").level == logging.WARNING,
    "audit.file": lambda s: s.daemon._audit.path == s.want.audit.file,
    "recording.directory": lambda s: s.folder.path == s.want.recording.directory,
    "recording.required": lambda s: s.daemon.components.recordings.required,
    "recording.max_bytes": lambda s: s.folder._max_bytes == 1 << 21,
    "recording.max_age": lambda s: s.folder._max_age_s == 3600.0,
    "pages.thumbnails": lambda s: s.services.settings().thumbnails,
    "pages.language": lambda s: s.services.settings().language == "zh",
    "metrics.access": lambda s: s.services.settings().metrics_open,
    "instance": lambda s: s.instance("i-new") is not None,
    "rule": lambda s: s.services.authority.has_rules,
}


def keys_of(config: Config) -> set[str]:
    """All keys, but for those of parts that need a restart; a list of blocks is one."""
    found = set()
    for section in fields(config):
        value = getattr(config, section.name)
        if section.name in NEED_RESTART:
            continue
        if isinstance(value, tuple):
            found.add(section.name)
        else:
            found |= {f"{section.name}.{key}" for key in asdict(value)}
    return found


async def test_every_key_is_applied_or_needs_a_restart(
    tmp_path: Path, authority: Authority
) -> None:
    """None is left out of the list, and a reload brings all of it to the running daemon."""
    assert set(SHOWS) == keys_of(Config())
    wanted: list[Config] = []

    def read(before: Config) -> Config:
        wanted.append(changed(before, tmp_path, authority))
        return wanted[-1]

    async with running(tmp_path, reread=read) as setup:
        before = setup.daemon.config
        setup.daemon.reload()
        await until(lambda: setup.daemon.config.log.level == "warning", "the reload")
        [want] = wanted
        same = [key for key in keys_of(want) if _value(before, key) == _value(want, key)]
        assert same == []
        logging.getLogger("vncproxy").warning("one line")
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        seen = Seen(setup, want)
        assert [key for key, shows in SHOWS.items() if not shows(seen)] == []


def _value(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    part = getattr(config, section)
    return getattr(part, name) if name else part
