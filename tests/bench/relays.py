"""The relays that are compared, each started with what it needs to lead to the benchmark's gateway.

All run on one processor, in one process that works, websockify in one for each connection. Each
checks the gateway's certificate, but for websockify before 0.11.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fault.serving import ROOT
from tests.real.peers.process import START_TIMEOUT_S, answers, free_port, running

VNCPROXY, HAPROXY, NGINX, NGINX_64K, WEBSOCKIFY = (
    "vncproxy",
    "haproxy",
    "nginx",
    "nginx-64k",
    "websockify",
)
DIRECT = "direct"
ALL = (VNCPROXY, HAPROXY, NGINX, NGINX_64K, WEBSOCKIFY)
BYTE_PUMPS = ALL[1:]
_PROCESSORS = sorted(os.sched_getaffinity(0))
RELAY_CPU, LOAD_CPU = _PROCESSORS[0], _PROCESSORS[-1]
LINGER_S = 1.0

_TOKEN = "bench-token-0123456789abcdef0123456789abcdef"
_VIEWERS_PER_DOOR = 3000
"""A listener takes 4,096 connections."""
_FILES = 20_000
_LOOK_INTERVAL_S = 0.005
_OTHERS_PACKAGES = ("twisted",)
"""What only tests need (vncdotool does), and structlog imports wherever it is installed."""
_ENVIRON = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "bench",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "bench",
    "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
    # An installed package has its bytecode beside it.
    "PYTHONDONTWRITEBYTECODE": "",
}


@dataclass(frozen=True)
class Cloud:
    """Where the gateway is.

    Args: web - the port of its API and WebSockets; plain - for each kind of screen, that of RFB
    over TCP; web_tls, tls - the same behind TLS; ca_file - whom to trust then.
    """

    web: int
    web_tls: int
    plain: Mapping[str, int]
    tls: Mapping[str, int]
    ca_file: Path
    pid: int


@dataclass(frozen=True)
class Wanted:
    """What relays are to lead to.

    Args: screens - KIND-FRAME each; websockify leads to the kind of the first; consoles - how many
    of each there are; secure - the gateway is reached by TLS.
    """

    screens: tuple[str, ...]
    consoles: int = 1
    secure: bool = False


@dataclass(frozen=True)
class Relay:
    """One that runs, or the gateway itself.

    Args: ports - of its doors; pid - 0: the gateway itself; path - where the next console with such
    a screen is; headers - of a viewer's request, with their line ends.
    """

    name: str
    ports: tuple[int, ...]
    pid: int
    path: Callable[[str], str]
    headers: str = ""

    def port(self, number: int = 0) -> int:
        """The door for a viewer, counted from 0."""
        return self.ports[number // _VIEWERS_PER_DOOR % len(self.ports)]


def direct(cloud: Cloud) -> Relay:
    """No relay at all."""
    return Relay(DIRECT, (cloud.web,), 0, lambda screen: f"/{screen}")


@asynccontextmanager
async def relays(
    names: Iterable[str], folder: Path, cloud: Cloud, wanted: Wanted
) -> AsyncIterator[dict[str, Relay]]:
    """Those that can do what is wanted, each running."""
    able = [name for name in names if not wanted.secure or can_speak_tls(name)]
    async with AsyncExitStack() as stack:
        started = await asyncio.gather(
            *(stack.enter_async_context(_started(name, folder, cloud, wanted)) for name in able)
        )
        yield {relay.name: relay for relay in started}


@asynccontextmanager
async def daemon(
    folder: Path, cloud: Cloud, wanted: Wanted, name: str = VNCPROXY
) -> AsyncIterator[Relay]:
    """A new vncproxy, by this name in what it says."""
    async with _started(VNCPROXY, folder, cloud, wanted) as relay:
        yield replace(relay, name=name)


@asynccontextmanager
async def _started(name: str, folder: Path, cloud: Cloud, wanted: Wanted) -> AsyncIterator[Relay]:
    own = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    makers = {
        VNCPROXY: _vncproxy,
        HAPROXY: _haproxy,
        NGINX: lambda *given: _nginx(*given, buffer=""),
        NGINX_64K: lambda *given: _nginx(*given, buffer="64k"),
        WEBSOCKIFY: _websockify,
    }
    relay, command = makers[name](own, cloud, wanted)
    log = own / "log"
    environ = {
        **os.environ,
        **_ENVIRON,
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "PYTHONPATH": f"{_without_others_packages(own)}:{ROOT}",
    }
    if wanted.secure and name == WEBSOCKIFY:
        # A newer one checks, but can't be told whom to trust.
        environ["SSL_CERT_FILE"] = str(cloud.ca_file)
    async with running(*pinned(RELAY_CPU), *command, log=log, env=environ) as process:
        async with asyncio.timeout(START_TIMEOUT_S):
            for port in relay.ports:
                while not await answers(port):
                    assert process.returncode is None, f"{name}: {log.read_text()[-2000:]}"
                    await asyncio.sleep(_LOOK_INTERVAL_S)
        try:
            yield replace(relay, pid=process.pid)
        finally:
            with suppress(ProcessLookupError):
                # An orderly end takes seconds with many consoles.
                process.kill()


def _without_others_packages(folder: Path) -> Path:
    """A place to import from where what an installation doesn't have can't be found."""
    place = folder / "absent"
    place.mkdir()
    for name in _OTHERS_PACKAGES:
        (place / f"{name}.py").write_text("raise ImportError\n")
    return place


def can_speak_tls(name: str) -> bool:
    """Whether a relay can reach a gateway over TLS.

    websockify 0.12 and older calls `ssl.wrap_socket`, which Python 3.12 and newer doesn't have.
    """
    if name != WEBSOCKIFY:
        return True
    interpreter = Path(_program(name)).read_text().partition("\n")[0].removeprefix("#!").split()
    tried = subprocess.run(
        [*interpreter, "-c", "import ssl; ssl.wrap_socket"], check=False, capture_output=True
    )
    return tried.returncode == 0


def pinned(cpu: int) -> tuple[str, ...]:
    """In front of a command, so that it stays on this processor."""
    return ("taskset", "-c", str(cpu))


def missing() -> list[str]:
    """Programs that aren't there."""
    programs = (HAPROXY, NGINX, WEBSOCKIFY, "taskset")
    return [name for name in programs if not Path(_program(name)).exists()]


def _vncproxy(folder: Path, cloud: Cloud, wanted: Wanted) -> tuple[Relay, tuple[str, ...]]:
    total = wanted.consoles * len(wanted.screens)
    ports = tuple(free_port() for _ in range(0, total, _VIEWERS_PER_DOOR))
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(_TOKEN + "\n")
    scheme = "wss" if wanted.secure else "ws"
    names = [f"{screen}-{n}" for screen in wanted.screens for n in range(wanted.consoles)]
    doors = (
        f'[[listen]]\nname = "d{port}"\naddress = "127.0.0.1:{port}"\naccess = "token"\n'
        for port in ports
    )
    instances = (f'[[instance]]\nalias = "{name}"\nid = "i-{scheme}-{name}"\n' for name in names)
    file = folder / "vncproxy.toml"
    file.write_text(
        "".join(doors)
        + f'[access]\ntoken_file = "{folder / "token"}"\n'
        + f'[aliyun]\nendpoint = "http://127.0.0.1:{cloud.web}"\n'
        + (f'ca_file = "{cloud.ca_file}"\n' if wanted.secure else "")
        + f'[state]\ndirectory = "{folder / "state"}"\n'
        + f"[limits]\nlinger = {LINGER_S}\nmax_consoles = {max(total, 64)}\n"
        + "".join(instances)
    )
    numbers = {screen: itertools.cycle(range(wanted.consoles)) for screen in wanted.screens}
    relay = Relay(
        VNCPROXY,
        ports,
        0,
        lambda screen: f"/websockify/{screen}-{next(numbers[screen])}",
        f"Authorization: Bearer {_TOKEN}\r\n",
    )
    return relay, (sys.executable, "-m", "vncproxy", "serve", "--config", str(file))


def _haproxy(folder: Path, cloud: Cloud, wanted: Wanted) -> tuple[Relay, tuple[str, ...]]:
    port, file = free_port(), folder / "haproxy.cfg"
    server = f"127.0.0.1:{cloud.web}"
    if wanted.secure:
        server = f"127.0.0.1:{cloud.web_tls} ssl verify required ca-file {cloud.ca_file}"
    file.write_text(
        "global\n  nbthread 1\n  maxconn 9000\n"
        "defaults\n  mode http\n  timeout connect 5s\n"
        "  timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\n"
        f"frontend viewers\n  bind 127.0.0.1:{port} backlog 4096\n  default_backend cloud\n"
        f"backend cloud\n  server gateway {server}\n"
    )
    return _byte_pump(HAPROXY, port), (_program("haproxy"), "-db", "-f", str(file))


def _nginx(
    folder: Path, cloud: Cloud, wanted: Wanted, *, buffer: str
) -> tuple[Relay, tuple[str, ...]]:
    port, file = free_port(), folder / "nginx.conf"
    target = f"proxy_pass http://127.0.0.1:{cloud.web};"
    if wanted.secure:
        target = (
            f"proxy_pass https://127.0.0.1:{cloud.web_tls}; proxy_ssl_verify on; "
            f"proxy_ssl_trusted_certificate {cloud.ca_file}; proxy_ssl_name localhost; "
            "proxy_ssl_protocols TLSv1.3;"
        )
    if buffer:
        target += (
            f" proxy_buffer_size {buffer}; proxy_buffers 8 {buffer};"
            f" proxy_busy_buffers_size {buffer};"
        )
    temporary = " ".join(
        f"{what}_temp_path {folder / what};"
        for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root; " if os.geteuid() == 0 else ""
    file.write_text(
        f"daemon off; {user}worker_processes 1; worker_rlimit_nofile {_FILES};\n"
        f"pid {folder / 'pid'}; error_log {folder / 'error.log'} error;\n"
        f"events {{ worker_connections {_FILES // 2}; }}\n"
        f"http {{ access_log off; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {target}\n"
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;\n"
        'proxy_set_header Connection "upgrade"; proxy_set_header Host $host;\n'
        "proxy_read_timeout 1h; proxy_send_timeout 1h; } } }\n"
    )
    command = (_program("nginx"), "-c", str(file), "-p", str(folder))
    return _byte_pump(NGINX_64K if buffer else NGINX, port), command


def _websockify(folder: Path, cloud: Cloud, wanted: Wanted) -> tuple[Relay, tuple[str, ...]]:
    port, kind = free_port(), wanted.screens[0].partition("-")[0]
    target = (cloud.tls if wanted.secure else cloud.plain)[kind]
    secure = ("--ssl-target",) if wanted.secure else ()
    command = (_program("websockify"), *secure, f"127.0.0.1:{port}", f"127.0.0.1:{target}")
    return _byte_pump(WEBSOCKIFY, port), command


def _byte_pump(name: str, port: int) -> Relay:
    return Relay(name, (port,), 0, lambda screen: f"/{screen}")


def _program(name: str) -> str:
    return shutil.which(name) or f"/usr/sbin/{name}"
