"""The shared server: how it is reached, and the error when it can't be used."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.real.peers.process import free_port
from tests.real.peers.valkey import ValkeyServer
from tests.real.peers.valkey import valkey_server as start_valkey_server
from vncproxy.errors import ConfigError, LedgerError
from vncproxy.throttle import valkey_connection
from vncproxy.throttle.valkey_connection import Script, StoreAddress, ValkeyStore

pytestmark = [pytest.mark.real, pytest.mark.sockets]

PASSWORD = "gR8-unguessable"


@pytest.fixture
async def store(store_address: StoreAddress) -> AsyncIterator[ValkeyStore]:
    made = ValkeyStore(store_address)
    yield made
    await made.close()


async def fault_of(address: StoreAddress, *words: str) -> LedgerError:
    """What a call to this address ends with."""
    store = ValkeyStore(address)
    with pytest.raises(LedgerError) as caught:
        await store.call(*(words or ("PING",)))
    await store.close()
    return caught.value


async def test_commands_are_answered(store: ValkeyStore) -> None:
    """A command's answer comes back as text."""
    assert await store.call("SET", "x", "ä") == "OK"
    assert await store.call("GET", "x") == "ä"


async def test_a_script_is_sent_once_and_again_when_the_server_forgot_it(
    store: ValkeyStore, valkey_server: ValkeyServer
) -> None:
    """The first call sends the text; so does the first after the server lost it."""
    script = Script("return {KEYS[1], ARGV[1]}")
    for _ in range(2):
        assert await store.run(list[str], script, ["k"], "v") == ["vncproxy:k", "v"]
        assert await store.run(list[str], script, ["k"], "v") == ["vncproxy:k", "v"]
        assert valkey_server.command("SCRIPT", "EXISTS", script.digest) == b"*1\r\n:1\r\n"
        valkey_server.command("SCRIPT", "FLUSH")


async def test_an_answer_of_another_form_is_an_error_in_words(store: ValkeyStore) -> None:
    """As from a server that isn't one, or something in between."""
    with pytest.raises(LedgerError, match="answers what no Valkey or Redis 7 server does"):
        await store.run(list[int], Script("return {KEYS[1]}"), ["k"])


async def test_many_calls_share_few_connections(
    store: ValkeyStore, valkey_server: ValkeyServer
) -> None:
    """However many ask at once, the server sees a bounded number of connections."""
    answers = await asyncio.gather(*(store.call("ECHO", str(n)) for n in range(200)))
    assert answers == [str(n) for n in range(200)]
    info = valkey_server.command("INFO", "clients").decode()
    [line] = [line for line in info.splitlines() if line.startswith("connected_clients:")]
    assert int(line.split(":")[1]) <= valkey_connection.MAX_CONNECTIONS + 1


async def test_a_call_that_is_cut_short_leaves_no_answer_for_the_next(store: ValkeyStore) -> None:
    """After a cancelled call the next one gets its own answer."""
    call = asyncio.create_task(store.call("BLPOP", "nothing", "1"))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await store.call("ECHO", "mine") == "mine"


async def test_a_cancellation_is_never_lost(store: ValkeyStore) -> None:
    """Who asks again and again can be ended at any moment, also between sending and reading."""

    async def ask_for_ever() -> None:
        while True:
            await store.call("PING")

    await store.call("PING")
    for moment in range(60):
        asking = asyncio.create_task(ask_for_ever())
        for _ in range(moment):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking], timeout=5.0)
        assert asking.cancelled(), f"it goes on, cancelled after {moment} turns of the loop"


async def test_a_unix_socket(valkey_server: ValkeyServer) -> None:
    """The server may be reached by its socket."""
    store = ValkeyStore(StoreAddress(socket=str(valkey_server.socket), database=3))
    assert await store.call("PING") == "PONG"
    assert "db=3" in await store.call("CLIENT", "INFO")
    await store.close()
    gone = await fault_of(StoreAddress(socket="/nonexistent/s"))
    assert gone.public_text == "the shared store ([throttle] store) can't be reached"


async def test_after_close_it_can_be_used_again(store: ValkeyStore) -> None:
    """Closing drops the connections only."""
    await store.call("PING")
    await store.close()
    assert await store.call("PING") == "PONG"


async def test_a_server_that_is_not_there(port: int) -> None:
    """A refused connection is reported without its address."""
    fault = await fault_of(StoreAddress(host="127.0.0.1", port=port))
    assert fault.public_text == "the shared store ([throttle] store) can't be reached"


async def test_a_server_that_hangs(
    store: ValkeyStore, shared_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call to a frozen server ends in time, and works again afterwards."""
    await store.call("PING")
    monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", 0.1)
    shared_valkey.freeze()
    try:
        with pytest.raises(LedgerError, match="doesn't answer within"):
            await store.call("PING")
    finally:
        shared_valkey.thaw()
    monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", 60.0)
    assert await store.call("ECHO", "mine") == "mine"


async def test_a_server_that_was_restarted(tmp_path: Path) -> None:
    """A new server on the same port is found without anybody noticing."""
    with start_valkey_server(tmp_path / "v") as server:
        store = ValkeyStore(StoreAddress(host="127.0.0.1", port=server.port))
        assert await store.call("PING") == "PONG"
        server.kill()
        with pytest.raises(LedgerError, match="can't be reached"):
            await store.call("PING")
        server.start()
        assert await store.call("PING") == "PONG"
        await store.close()


class FakeSentinel:
    """Names a server; asks for a password if it has one."""

    def __init__(self, server: ValkeyServer, password: str = "") -> None:
        self.names = server
        self.password = password
        self.asked = 0
        self.refused = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: commands as arrays of texts."""
        known = not self.password
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2].decode())
            if words[0] == "AUTH":
                known = words[-1] == self.password
                writer.write(b"+OK\r\n" if known else b"-WRONGPASS no\r\n")
            elif not known:
                self.refused += 1
                writer.write(b"-NOAUTH Authentication required.\r\n")
            else:
                assert words == ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "vnc"]
                self.asked += 1
                port = str(self.names.port)
                writer.write(f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n".encode())
        writer.close()


@asynccontextmanager
async def behind(
    *sentinels: FakeSentinel, password: str | None = None
) -> AsyncIterator[ValkeyStore]:
    """Calls of the server that they name."""
    async with AsyncExitStack() as stack:
        ports = []
        for sentinel in sentinels:
            listening = await asyncio.start_server(sentinel.serve, "127.0.0.1", 0)
            ports.append(listening.sockets[0].getsockname()[1])
            await stack.enter_async_context(listening)
        addresses = tuple(("127.0.0.1", port) for port in ports)
        address = StoreAddress(sentinels=addresses, service="vnc", database=5, password=password)
        store = ValkeyStore(address)
        try:
            yield store
        finally:
            await store.close()


async def test_the_server_that_sentinels_name(valkey_server: ValkeyServer) -> None:
    """They are asked once, and again when the server became a replica."""
    sentinels = [FakeSentinel(valkey_server) for _ in range(3)]
    async with behind(*sentinels) as store:
        await asyncio.gather(*(store.call("PING") for _ in range(20)))
        assert "db=5" in await store.call("CLIENT", "INFO")
        assert all(sentinel.asked <= 1 for sentinel in sentinels)
        valkey_server.command("REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(LedgerError, match="read-only replica"):
                await store.call("SET", "x", "1")
        finally:
            valkey_server.command("REPLICAOF", "NO", "ONE")
        before = sum(sentinel.asked for sentinel in sentinels)
        assert await store.call("SET", "x", "1") == "OK"
        assert sum(sentinel.asked for sentinel in sentinels) >= before + 2


async def test_another_server_after_a_failover(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    """The call that finds the old one gone fails; the next goes to the new one."""
    with start_valkey_server(tmp_path / "v") as old:
        sentinel = FakeSentinel(old)
        async with behind(sentinel) as store:
            assert await store.call("SET", "where", "old") == "OK"
            old.kill()
            sentinel.names = valkey_server
            with pytest.raises(LedgerError, match="can't be reached"):
                await store.call("GET", "where")
            assert await store.call("GET", "where") is None


async def test_sentinels_that_differ(valkey_server: ValkeyServer, port: int) -> None:
    """Where half of them name another server, none is used."""
    other = ValkeyServer(Path("nowhere"))
    sentinels = [FakeSentinel(valkey_server), FakeSentinel(other)]
    async with behind(*sentinels) as store:
        with pytest.raises(LedgerError) as caught:
            await store.call("PING")
        assert caught.value.public_text == (
            "the shared store ([throttle] store) has no primary: 1 of its 2 Sentinels name the "
            "same server, and more than half must"
        )
        other.port = valkey_server.port
        assert await store.call("PING") == "PONG"
    gone = StoreAddress(sentinels=(("127.0.0.1", port),), service="vnc")
    assert (await fault_of(gone)).public_text.endswith("can't be reached")


async def test_sentinels_that_want_a_password(tmp_path: Path) -> None:
    """They get the server's, and only those that ask for it."""
    with start_valkey_server(tmp_path / "v", "--requirepass", PASSWORD) as server:
        locked, free, other = (FakeSentinel(server, word) for word in (PASSWORD, "", "x"))
        async with behind(locked, free, password=PASSWORD) as store:
            assert await store.call("PING") == "PONG"
        assert (locked.asked, locked.refused, free.refused) == (1, 1, 0)
        async with behind(other, password=PASSWORD) as store:
            with pytest.raises(LedgerError, match="refuses the user or the password") as caught:
                await store.call("PING")
        assert PASSWORD not in repr(caught.value.__cause__)


async def test_a_password(tmp_path: Path) -> None:
    """The right one is accepted; a wrong or missing one is reported, and none is repeated."""
    with start_valkey_server(tmp_path / "v", "--requirepass", PASSWORD) as server:
        where = {"host": "127.0.0.1", "port": server.port}
        right = StoreAddress(**where, password=PASSWORD)  # type: ignore[arg-type]
        store = ValkeyStore(right)
        assert await store.call("PING") == "PONG"
        await store.close()
        assert PASSWORD not in f"{right!r} {right} {store!r} {vars(store)}"
        for other in ("wrong-" + PASSWORD, None):
            fault = await fault_of(StoreAddress(**where, password=other))  # type: ignore[arg-type]
            assert fault.public_text.endswith("refuses the user or the password")
            causes = f"{fault!r} {fault.__cause__!r} {fault.__context__!r}"
            assert PASSWORD not in causes


async def test_what_a_user_may_not_do(valkey_server: ValkeyServer) -> None:
    """A user of the server with too few rights learns which are missing."""
    valkey_server.command(
        *("ACL", "SETUSER", "weak", "on", f">{PASSWORD}", "resetkeys", "~vncproxy:*", "+ping")
    )
    address = StoreAddress(
        host="127.0.0.1", port=valkey_server.port, user="weak", password=PASSWORD
    )
    fault = await fault_of(address, "SET", "vncproxy:x", "1")
    assert "denies this user a command" in fault.public_text


async def test_faults_of_the_server_are_reported(valkey_server: ValkeyServer) -> None:
    """A replica, a full memory and a strange error each have words of their own."""
    address = StoreAddress(host="127.0.0.1", port=valkey_server.port)
    valkey_server.command("CONFIG", "SET", "maxmemory", "1")
    try:
        full = await fault_of(address, "SET", "x", "1")
    finally:
        valkey_server.command("CONFIG", "SET", "maxmemory", "0")
    assert "out of memory" in full.public_text
    valkey_server.command("REPLICAOF", "127.0.0.1", "1")
    try:
        replica = await fault_of(address, "SET", "x", "1")
    finally:
        valkey_server.command("REPLICAOF", "NO", "ONE")
    assert "read-only replica" in replica.public_text
    valkey_server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        lonely = await fault_of(address, "SET", "x", "1")
    finally:
        valkey_server.command("CONFIG", "SET", "min-replicas-to-write", "0")
    assert "fewer replicas than min-replicas-to-write" in lonely.public_text
    strange = await fault_of(address, "NOSUCH")
    assert "answers with an error" in strange.public_text


async def test_tls_verifies_the_name(tmp_path: Path, authority: Authority) -> None:
    """A certificate of the given authority for this name is accepted, and nothing else."""
    good = authority.issue("127.0.0.1")
    settings = (
        *("--tls-cert-file", str(good.certificate), "--tls-key-file", str(good.key)),
        *("--tls-ca-cert-file", str(authority.ca_file), "--tls-auth-clients", "no"),
    )
    tls_port = free_port()
    tls = ValkeyServer(tmp_path / "v", *settings, "--tls-port", str(tls_port))
    tls.start()
    try:
        for host, ca_file, works in (
            ("127.0.0.1", authority.ca_file, True),
            ("localhost", authority.ca_file, False),
            ("127.0.0.1", None, False),
        ):
            address = StoreAddress(host=host, port=tls_port, tls=True, ca_file=ca_file)
            if works:
                store = ValkeyStore(address)
                assert await store.call("PING") == "PONG"
                await store.close()
            else:
                fault = await fault_of(address)
                assert "certificate that fails verification" in fault.public_text
    finally:
        tls.stop()


async def test_something_else_than_such_a_server() -> None:
    """What doesn't speak the protocol is reported like one that isn't there."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        fault = await fault_of(StoreAddress(host="127.0.0.1", port=port))
    assert "can't be reached" in fault.public_text


@pytest.mark.usefixtures("idle_clock")
async def test_waiting_for_a_free_connection_is_bounded(
    store: ValkeyStore, shared_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind calls that hang, the time limit holds all the same."""
    monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", 0.2)
    shared_valkey.freeze()
    began = time.monotonic()
    try:
        faults = await asyncio.gather(
            *(store.call("PING") for _ in range(50)), return_exceptions=True
        )
    finally:
        shared_valkey.thaw()
    assert all(isinstance(fault, LedgerError) for fault in faults)
    assert time.monotonic() - began < 5.0


async def test_without_the_package_the_reason_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is a mistake of the configuration, with what to install."""
    monkeypatch.setitem(sys.modules, "valkey.asyncio", None)
    with pytest.raises(ConfigError, match=r"pip install 'vncproxy\[valkey\]'"):
        ValkeyStore(StoreAddress())
