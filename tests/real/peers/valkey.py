"""A Valkey or Redis server of a test's own: on loopback and a Unix socket, ended with the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.peers.presence import need
from tests.real.peers.process import START_TIMEOUT_S, STOP_TIMEOUT_S, free_port


class ValkeyServer:
    """A server that can be stopped, frozen and started again on the same port."""

    def __init__(self, folder: Path, *settings: str) -> None:
        """Not started yet.

        Args:
            folder: A new one, for its data.
            *settings: More of its arguments.
        """
        self.program = shutil.which("valkey-server") or need("redis-server", "redis-server")
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "s"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def command_line(self) -> tuple[str, ...]:
        """What `start` runs."""
        return (
            *(self.program, "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket), "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            *self._settings,
        )

    @property
    def url(self) -> str:
        """How a daemon's configuration names it."""
        return f"valkey://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Run it until it answers.

        Raises:
            AssertionError: It doesn't.
        """
        self.folder.mkdir(exist_ok=True)
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command_line,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, "the server doesn't answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1.0)
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                # A server with a password answers too, that it wants it.
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def command(self, *words: str) -> bytes:
        """The start of the answer to one command, as on the wire."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(START_TIMEOUT_S)
            link.connect(str(self.socket))
            link.sendall(
                f"*{len(words)}\r\n".encode()
                + b"".join(f"${len(w.encode())}\r\n{w}\r\n".encode() for w in words)
            )
            return link.recv(65536)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            os.kill(self._pid, signal.SIGCONT)
            self._signal(signal.SIGTERM)

    @property
    def _pid(self) -> int:
        assert self._process is not None, "it runs"
        return self._process.pid

    def _signal(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


class Sentinel(ValkeyServer):
    """A Sentinel that alone decides which server is the primary of `SERVICE`."""

    SERVICE = "vncproxy-test"
    DOWN_AFTER_MS = 500

    def __init__(self, folder: Path, primary: ValkeyServer, *settings: str) -> None:
        """Not started yet.

        Args:
            folder: A new one, for its file.
            primary: The server at first; it runs already.
            *settings: Lines of its file.
        """
        super().__init__(folder)
        self._primary = primary
        self._lines = settings

    @property
    def command_line(self) -> tuple[str, ...]:
        """See `ValkeyServer`: the same program, with a file that it writes to."""
        file = self.folder / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\nunixsocket {self.socket}\ndir {self.folder}\n"
            f"sentinel monitor {self.SERVICE} 127.0.0.1 {self._primary.port} 1\n"
            f"sentinel down-after-milliseconds {self.SERVICE} {self.DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {self.SERVICE} 60000\n" + "\n".join(self._lines) + "\n"
        )
        return self.program, str(file), "--sentinel"

    @property
    def url(self) -> str:
        """How a daemon's configuration names the servers behind it."""
        return f"valkey+sentinel://127.0.0.1:{self.port}/{self.SERVICE}"

    @property
    def knows_a_replica(self) -> bool:
        """Whether there is one that can become the primary."""
        return b"slaves=1" in self.command("INFO", "sentinel")


@contextmanager
def valkey_server(folder: Path, *settings: str) -> Iterator[ValkeyServer]:
    """A running `ValkeyServer`."""
    server = ValkeyServer(folder, *settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()
