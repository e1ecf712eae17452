"""OpenSSH: a server with files of its own on a loopback port, and its client's port forwarding."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.peers.presence import miss, need
from tests.real.peers.process import answers, free_port, running, until

SERVER = "/usr/sbin/sshd"
_SEPARATION_FOLDER = Path("/run/sshd")
"""sshd doesn't start without it; Debian's unit makes it."""

_SETTINGS = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
# The folder of the keys is in /tmp, which everybody may write to.
StrictModes no
UsePAM no
"""


@dataclass(frozen=True)
class Forwarded:
    """A local port that leads to the other side.

    Args:
        address: Where it listens.
        log: What the client says.
    """

    address: str
    port: int
    log: Path

    @property
    def base(self) -> str:
        """As a browser opens it."""
        return f"http://localhost:{self.port}"


@dataclass(frozen=True)
class Sshd:
    """A server that lets the holder of one key in as any account, to forward ports only."""

    folder: Path
    port: int

    @asynccontextmanager
    async def forward(
        self, account: str, target: Path | int, *options: str, address: str = "127.0.0.1"
    ) -> AsyncIterator[Forwarded]:
        """`ssh -N -L ADDRESS:PORT:TARGET account@here`.

        Args:
            account: Logs in by a key.
            target: A Unix socket, or a port of the other side's loopback.
            *options: More arguments.
            address: Where it listens on this side.
        """
        where = str(target) if isinstance(target, Path) else f"127.0.0.1:{target}"
        local = free_port()
        kind = ("-L", f"{address}:{local}:{where}")
        async with self._client(account, local, address, *options, *kind) as way:
            yield way

    @asynccontextmanager
    async def socks(self, account: str) -> AsyncIterator[Forwarded]:
        """`ssh -N -D ADDRESS:PORT account@here`: a SOCKS 5 proxy, without a log-in of its own.

        Args:
            account: Logs in by a key.
        """
        local, address = free_port(), "127.0.0.1"
        async with self._client(account, local, address, "-D", f"{address}:{local}") as way:
            yield way

    @asynccontextmanager
    async def _client(
        self, account: str, local: int, address: str, *options: str
    ) -> AsyncIterator[Forwarded]:
        log = self.folder / f"client-{local}.log"
        command = [
            *(need("ssh", "openssh-client"), "-F", "none", "-N", *options),
            *("-i", str(self.folder / "key"), "-p", str(self.port)),
            *_options(
                BatchMode="yes",
                ExitOnForwardFailure="yes",
                IdentitiesOnly="yes",
                IdentityAgent="none",
                StrictHostKeyChecking="yes",
                UserKnownHostsFile=str(self.folder / "known_hosts"),
                GlobalKnownHostsFile="none",
            ),
            f"{account}@127.0.0.1",
        ]
        async with running(*command, log=log) as process:

            async def listens() -> bool:
                return await answers(local, address)

            await until(listens, "ssh forwards", process=process, log=log)
            yield Forwarded(address, local, log)


def _options(**options: str) -> Sequence[str]:
    return [part for name, text in options.items() for part in ("-o", f"{name}={text}")]


@asynccontextmanager
async def sshd(folder: Path) -> AsyncIterator[Sshd]:
    """Started by root, who alone may let other accounts in.

    Args:
        folder: For its files; every account must be able to enter it.
    """
    if not Path(SERVER).exists():
        miss(f"{SERVER} is not installed (Debian: apt-get install openssh-server)")
    _SEPARATION_FOLDER.mkdir(mode=0o755, exist_ok=True)
    for name in ("host_key", "key"):
        command = [shutil.which("ssh-keygen") or "ssh-keygen", "-q", "-t", "ed25519", "-N", ""]
        subprocess.run([*command, "-f", str(folder / name)], check=True, timeout=60)
    made = Sshd(folder, free_port())
    public = (folder / "key.pub").read_text()
    # What an account needs that is for consoles only: no shell, no commands.
    (folder / "authorized_keys").write_text(f"restrict,port-forwarding {public}")
    host = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{made.port} {host}")
    settings = folder / "sshd_config"
    settings.write_text(_SETTINGS.format(port=made.port, folder=folder))
    log = folder / "server.log"
    async with running(SERVER, "-D", "-e", "-f", str(settings), log=log) as process:

        async def listens() -> bool:
            return await answers(made.port)

        await until(listens, "sshd listens", process=process, log=log)
        yield made
