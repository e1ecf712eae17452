"""Every setting of the daemon: its name, unit, default and where the default comes from.

The names are the keys of the TOML file. Values are frozen and do nothing; `schema` says what each
accepts, `checks` what goes with what. Durations are seconds, sizes are bytes. A default of None
means that the key is absent. "Cloud" as a source is the ECS API reference, DescribeInstanceVncUrl,
as read in 2026-08; "ours" is a choice of this project.
"""

from __future__ import annotations

from typing import get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo, replace
from msgspec.structs import fields as struct_fields

from vncproxy.addresses import Address, parse_address, without_login
from vncproxy.config import value_types


class Listen(Struct, frozen=True, kw_only=True):
    """One listener: where viewers come in and how they show who they are ([[listen]])."""

    name: value_types.Name = "local"
    """Unique among the doors; the FileDescriptorName under socket activation."""
    address: value_types.Door = "127.0.0.1:6080"
    """IP address and port, or unix: and an absolute path. 6080 is noVNC's customary port."""
    access: value_types.AccessKind = "token"
    """Who may enter: token (one owner), users (those of users_file), peer (accounts of this
    machine), header (whom a proxy names), open (everybody; loopback only)."""
    certificate: value_types.FilePath | None = None
    """PEM with the chain, together with key: https and wss."""
    key: value_types.FilePath | None = None
    """PEM, together with certificate."""
    insecure: value_types.Flag = False
    """Allows a non-loopback TCP address without TLS."""
    socket_mode: value_types.SocketMode = "0660"
    """Mode of a Unix socket, octal."""
    socket_group: value_types.NonEmpty | None = None
    """Group of a Unix socket; default: the daemon's own."""
    trusted_proxies: value_types.Addresses = ()
    """For access = "header": the proxies' addresses; a Unix socket needs none."""
    user_header: value_types.NonEmpty = "X-Forwarded-User"
    """For access = "header": who the user is."""
    header_secret_file: value_types.FilePath | None = None
    """For access = "header": what the proxy sends as X-Vncproxy-Secret."""
    base_path: value_types.BasePath = ""
    """Path before all of the door's own, as browsers see it; a proxy may take it off."""

    @property
    def parsed_address(self) -> Address:
        """The address in parts.

        Raises:
            ValueError: It is an address that `load` would refuse.
        """
        return parse_address(self.address)

    @property
    def mode(self) -> int:
        """`socket_mode` as a number."""
        return int(self.socket_mode, 8)


class Access(Struct, frozen=True, kw_only=True):
    """Who is let in, for all doors ([access])."""

    token_file: value_types.FilePath | None = None
    """The owner's token; default: token in the state directory, made when missing."""
    users_file: value_types.FilePath | None = None
    """For access = "users": the users and the hashes of their tokens; see `vncproxy user`."""
    allowed_hosts: value_types.Hosts = ()
    """Names in a request's Host besides loopback names and the door's own, any port."""
    allowed_origins: value_types.Origins = ()
    """Origins of pages that may open consoles, besides the daemon's own."""
    session_lifetime: value_types.LongDuration = 43200.0
    """s, how long a log-in lasts: 12 h, a working day (ours)."""


class Aliyun(Struct, frozen=True, kw_only=True):
    """The cloud's API ([aliyun])."""

    region: value_types.RegionId = "cn-hangzhou"
    """Where an instance names none."""
    endpoint: value_types.Endpoint | None = None
    """The ECS API for every region; default: ecs.REGION.aliyuncs.com over https."""
    connect_host: value_types.Host | None = None
    """Dialled instead of the VncUrl's host; TLS still verifies the URL's host."""
    gateway_hosts: value_types.HostSuffixes = ()
    """Hosts that a VncUrl may name, or the ends of their names; empty: any that may be a gateway's,
    so not this machine, a link-local or the metadata address (ours)."""
    ca_file: value_types.FilePath | None = None
    """PEM certificates trusted besides the system's, for the API and the VNC connection."""
    official_page: value_types.Page = (
        "https://g.alicdn.com/aliyun/ecs-console-vnc2/0.0.8/index.html"
    )
    """The cloud's own console page, for `vncproxy url --official` (cloud)."""
    power: value_types.Flag = False
    """Whether the token's owner may start, stop and restart instances; others by [[rule]]."""
    discover: value_types.Flag = False
    """List all instances that DescribeInstances shows in `regions` (or `region`)."""
    regions: value_types.RegionIds = ()
    """Where to discover; empty: in `region`."""
    call_timeout: value_types.Duration = 10.0
    """s, for one call of the API (ours: leaves 5 s of a VncUrl's life for the dial)."""

    @property
    def discover_in(self) -> tuple[str, ...]:
        """The regions whose instances are all listed; none without `discover`."""
        return (self.regions or (self.region,)) if self.discover else ()


class Limits(Struct, frozen=True, kw_only=True):
    """The cloud's limits, and the daemon's own ([limits])."""

    url_ttl: value_types.UrlTtl = 15.0
    """s, a VncUrl's life, counted from when it was asked for (cloud)."""
    idle_timeout: value_types.Duration = 60.0
    """s without interaction after which the cloud closes (cloud; newer pages say 300)."""
    upstream_timeout: value_types.Duration = 15.0
    """s, an upstream that leaves a question unanswered for so long is dead (ours)."""
    keepalive_interval: value_types.Duration = 20.0
    """s between messages that count as interaction; at most idle_timeout / 2 (ours)."""
    keepalive_key: value_types.Keysym = 0
    """Keysym pressed and released when nothing else keeps the link; 0: never (ours)."""
    reconnects_per_minute: value_types.DialsPerMinute = 29
    """Dials in any 60 s; the cloud allows 30 (cloud, less one)."""
    reconnects_key: value_types.BudgetKey = "instance"
    """What those are counted for; the cloud's pages don't say."""
    linger: value_types.Linger = 30.0
    """s, a link is kept after its last viewer left; 0: closed at once (ours)."""
    max_wait: value_types.Duration = 120.0
    """s, a viewer waits for a link before it is closed (ours: two windows of the budget)."""
    control_request_timeout: value_types.Duration = 15.0
    """s, then an unanswered request for control is granted (ours)."""
    viewer_idle_timeout: value_types.OptionalDuration = 0.0
    """s without input before a viewer is closed; 0: never (ours)."""
    session_max_age: value_types.OptionalDuration = 0.0
    """s, a viewer's longest stay; 0: no limit (ours)."""
    ping_interval: value_types.Duration = 20.0
    """s between pings to a viewer (ours: below common proxies' idle limits)."""
    ping_timeout: value_types.Duration = 20.0
    """s, a viewer may leave a ping unanswered (ours)."""
    viewer_queue: value_types.QueueBytes = 8388608
    """bytes that may wait for one viewer (ours: two of the largest Tight rectangles)."""
    slow_viewer_timeout: value_types.Duration = 30.0
    """s, a viewer may read nothing (ours)."""
    drain_timeout: value_types.DrainTimeout = 8.0
    """s from SIGTERM until the last viewer is closed; less than 10 (ours)."""
    max_viewers: value_types.ViewerCount = 16
    """Viewers of one console (ours)."""
    max_consoles: value_types.ConsoleCount = 1024
    """Consoles open at once (ours)."""


class Throttle(Struct, frozen=True, kw_only=True):
    """The record of dials ([throttle])."""

    store: value_types.Store = "sqlite"
    """sqlite (in the state directory), memory (forgotten at a restart), or a server's address,
    which several daemons share."""
    ca_file: value_types.FilePath | None = None
    """PEM certificates trusted besides the system's, for a store with TLS."""
    name: value_types.OptionalName = ""
    """The name that users of other daemons read where a console is here; default: the host name."""
    url: value_types.OptionalBase = ""
    """Where those users reach this daemon; "": they don't read it."""
    pass_on: value_types.Flag = False
    """Whether a page goes on by itself to the daemon that has its console."""

    def __repr__(self) -> str:
        """Without the store's password."""
        rest = f"ca_file={self.ca_file!r}, name={self.name!r}, url={self.url!r}"
        return f"Throttle(store={without_login(self.store)!r}, {rest}, pass_on={self.pass_on!r})"


class State(Struct, frozen=True, kw_only=True):
    """What outlives a restart ([state])."""

    directory: value_types.FolderPath | None = None
    """Default: $STATE_DIRECTORY, then ~/.local/state/vncproxy (XDG base directories)."""


class Log(Struct, frozen=True, kw_only=True):
    """The daemon's log ([log])."""

    format: value_types.LogFormat = "auto"
    """auto: console on a terminal, json otherwise."""
    level: value_types.LogLevel = "info"
    """The least level that is written."""


class Audit(Struct, frozen=True, kw_only=True):
    """Who did what ([audit])."""

    file: value_types.FilePath | None = None
    """Default: audit.jsonl in the state directory."""


class Recording(Struct, frozen=True, kw_only=True):
    """What the screens showed ([recording])."""

    directory: value_types.FolderPath | None = None
    """Only this user may write to it; default: recordings in the state directory."""
    required: value_types.Flag = False
    """Whether a session that has to be recorded and isn't any more is ended."""
    max_bytes: value_types.RecordingBytes = 1073741824
    """bytes of all recordings together; the oldest go first: 1 GiB (ours)."""
    max_age: value_types.LongDuration = 2592000.0
    """s, a recording is kept after its end: 30 days (ours)."""


class Pages(Struct, frozen=True, kw_only=True):
    """The pages ([pages])."""

    thumbnails: value_types.Flag = False
    """Whether the list shows each running instance's screen, by GetInstanceScreenshot."""
    language: value_types.PageLanguage = "auto"
    """auto: the browser's, of en and zh; a user's own choice on a page goes before."""


class Metrics(Struct, frozen=True, kw_only=True):
    """GET /metrics ([metrics])."""

    access: value_types.MetricsAccess = "listener"
    """listener: everybody whom the door lets in; open: everybody who reaches it."""


class Instance(Struct, frozen=True, kw_only=True):
    """One ECS instance that may be opened ([[instance]])."""

    id: value_types.InstanceId
    """The instance's id; required."""
    alias: value_types.Name | None = None
    """A name to open it by; unique, and not like an instance id."""
    region: value_types.RegionId | None = None
    """Default: [aliyun] region."""
    windows: value_types.Flag = False
    """Whether it runs Windows: a parameter of the cloud's own page."""
    password_file: value_types.FilePath | None = None
    """The VNC password: Aliyun's are six letters or digits. Default: the page asks."""
    tcp_port: value_types.Port | None = None
    """Loopback port for native viewers, together with tcp_password_file."""
    tcp_password_file: value_types.FilePath | None = None
    """What native viewers are asked for."""

    @property
    def name(self) -> str:
        """What people call it: the alias, else the id."""
        return self.alias or self.id


class Rule(Struct, frozen=True, kw_only=True):
    """Who may do what with which instances ([[rule]]); the first that names both decides."""

    users: value_types.Texts
    """Names; @NAME is a Unix group or a group of users_file; required."""
    instances: value_types.Texts
    """Patterns of aliases or ids, region:PATTERN or tag:KEY=VALUE; required."""
    role: value_types.Role = "control"
    """watch, control or admin."""
    record: value_types.Flag = False
    """Whether such sessions are recorded."""
    power: value_types.Flag = False
    """Whether these users may start, stop and restart the instances; with control or admin."""
    hours: value_types.Hours | None = None
    """When it counts, in local time, as in "mon-fri 08:00-18:00". Outside of them the rule is as
    if it weren't there; none: always."""


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration; `Config()` is what an absent file means."""

    listen: tuple[Listen, ...] = (Listen(),)
    access: Access = Access()
    aliyun: Aliyun = Aliyun()
    limits: Limits = Limits()
    throttle: Throttle = Throttle()
    state: State = State()
    log: Log = Log()
    audit: Audit = Audit()
    recording: Recording = Recording()
    pages: Pages = Pages()
    metrics: Metrics = Metrics()
    instance: tuple[Instance, ...] = ()
    rule: tuple[Rule, ...] = ()


NEED_RESTART = {
    "listen": "[[listen]]",
    "state": "[state]",
    "throttle": "[throttle]",
}
"""Parts that are built once, at the start: sockets, state folder, the ledger's store."""


def changes_needing_restart(old: Config, new: Config) -> list[str]:
    """The parts that differ and stay as they were until a restart, as in `[[listen]]`."""
    return [
        written
        for part, written in NEED_RESTART.items()
        if getattr(old, part) != getattr(new, part)
    ]


def without_restart(old: Config, new: Config) -> Config:
    """The new configuration, but for what stays as it was until a restart."""
    return replace(new, **{part: getattr(old, part) for part in NEED_RESTART})


def _structs() -> tuple[dict[str, type[Struct]], dict[str, type[Struct]]]:
    sections: dict[str, type[Struct]] = {}
    blocks: dict[str, type[Struct]] = {}
    for info in struct_fields(Config):
        if get_origin(info.type) is tuple:
            blocks[info.name] = get_args(info.type)[0]
        else:
            sections[info.name] = info.type
    return sections, blocks


SECTION_STRUCTS, BLOCK_STRUCTS = _structs()
"""The class behind each [section], and behind each [[block]]."""


def _fields(struct: type[Struct]) -> dict[str, FieldInfo]:
    return {info.name: info for info in struct_fields(struct)}


SECTIONS: dict[str, dict[str, FieldInfo]] = {
    name: _fields(s) for name, s in SECTION_STRUCTS.items()
}
BLOCKS: dict[str, dict[str, FieldInfo]] = {name: _fields(s) for name, s in BLOCK_STRUCTS.items()}
"""The keys of each section, and of a block of each name."""
