"""What the VNC gateway does wrong, and what becomes of the viewer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from tests.fault.aftermath import dials, farewell, shows, under_fault, url_calls
from tests.recording_screen import recording_screen
from tests.setup import WAIT_S, Running, Viewer, key, until
from vncproxy.config.model import Instance, Limits
from vncproxy.console.dependencies import FIRST_PAUSE_S
from vncproxy.simulator.faults import ApiFault, GatewayFault, GatewayFaultKind, Step
from vncproxy.simulator.sabotage import Ending
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.usefixtures("idle_clock")

STILL = SimulatorSettings(animated=False, width=320, height=240)
INSTANCE = STILL.instances[0].instance_id
PASSWORD = "pass66"

OPENING_BYTES = (1, 11, 12, 13, 14, 30, 31, 34, 50, 70)
"""Places before, in and after each message of the server's handshake."""
PASSING = {
    "refused with 403": GatewayFault.refuse(403),
    "refused with 429": GatewayFault.refuse(429),
    "refused with 503": GatewayFault.refuse(503),
    **{f"ends before {step}": GatewayFault.close_at(step) for step in Step},
    **{f"reset after {n} bytes": GatewayFault.reset_after(n) for n in OPENING_BYTES},
    **{f"closed after {n} bytes": GatewayFault.close_after(n) for n in OPENING_BYTES},
}


def guarded(folder: Path) -> dict[str, Any]:
    """An instance that asks for its VNC password, which a file has."""
    file = folder / "password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    one = SimulatedInstance(vnc_password=PASSWORD)
    return {
        "cloud": replace(STILL, instances=(one,)),
        "instance": (Instance(id=one.instance_id, alias=one.name, password_file=file),),
    }


def same_picture(setup: Running, viewer: Viewer) -> bool:
    """Whether the viewer sees the simulator's pixels, all of them."""
    width, height = viewer.decoder.size
    wanted = np.frombuffer(setup.cloud.framebuffer(), np.uint8).reshape(height, width, 3)
    return bool(viewer.decoder.painted.all() and np.array_equal(viewer.decoder.frame, wanted))


def links(setup: Running) -> int:
    """How many links have shaken hands."""
    return sum(event["event"] == "link.opened" for event in setup.events)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_a_link_that_fails_is_replaced(tmp_path: Path, fault: GatewayFault) -> None:
    """With a fresh VncUrl for the second dial; the viewer notices nothing."""
    async with under_fault(tmp_path, **guarded(tmp_path)) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, fault)
        viewer = await setup.connect()
        assert await shows(viewer)
        await until(lambda: same_picture(setup, viewer), "the picture")
        assert dials(setup) == [fault.kind, "accepted"]
        assert url_calls(setup) == ["OK", "OK"]


@pytest.mark.parametrize("after_bytes", [1, 13, 34])
async def test_an_upstream_that_falls_silent_is_given_up(tmp_path: Path, after_bytes: int) -> None:
    """A handshake that doesn't go on is ended after its time, and begun anew by another dial."""
    async with under_fault(tmp_path, handshake_timeout_s=0.4, **guarded(tmp_path)) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, GatewayFault.stall_after(after_bytes))
        viewer = await setup.connect()
        assert await shows(viewer)
        assert dials(setup) == ["stall-after", "accepted"]


@pytest.mark.parametrize(
    "ending", [Ending.DROP, Ending.CLOSE, Ending.RESET, Ending.MALFORMED_CLOSE]
)
async def test_a_running_link_that_ends_is_replaced(tmp_path: Path, ending: Ending) -> None:
    """However it ends, the viewer stays, sees what changed, and its keys arrive."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        viewer = await setup.viewer()
        await until(lambda: same_picture(setup, viewer), "the picture")
        assert setup.cloud.drop(INSTANCE, ending)
        await until(lambda: links(setup) == 2, "another link")
        assert dials(setup) == ["accepted"] * 2
        await until(lambda: same_picture(setup, viewer), "the picture again")
        await viewer.type("a")
        await until(lambda: setup.cloud.typed_text == "a", "the key")
        await until(lambda: same_picture(setup, viewer), "its echo")


QUICK = Limits(idle_timeout=0.5, keepalive_interval=0.2, upstream_timeout=0.4)


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("fault", [GatewayFault.freeze(), GatewayFault.stall_after(0)])
async def test_a_frozen_upstream_is_replaced(
    tmp_path: Path, fault: GatewayFault, settled: bool
) -> None:
    """TCP is alive, the keepalive goes out, and nobody answers: that is a loss like any other.

    Also for one that freezes before it had to answer any question but the first request.
    """
    async with under_fault(tmp_path, cloud=STILL, limits=QUICK) as setup:
        viewer = await setup.viewer()
        await until(lambda: same_picture(setup, viewer), "the picture")
        if settled:
            await answers(viewer, 3)
        assert links(setup) == 1
        assert setup.cloud.strike(fault)
        await until(lambda: links(setup) == 2, "another link")
        assert dials(setup) == ["accepted"] * 2
        await viewer.type("a")
        await until(lambda: setup.cloud.typed_text == "a", "a key on it")
        await until(lambda: same_picture(setup, viewer), "its picture")
        (silent,) = (event for event in setup.events if event["event"] == "link.silent")
        assert silent["level"] == "warning"
        assert silent["seconds"] >= QUICK.idle_timeout + QUICK.upstream_timeout


@pytest.mark.parametrize("after_bytes", [100, 500])
async def test_an_upstream_that_stops_amid_its_first_picture_is_replaced(
    tmp_path: Path, after_bytes: int
) -> None:
    """It has answered nothing yet by which it could be judged, and nobody waits without end."""
    async with under_fault(tmp_path, cloud=STILL, limits=QUICK) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, GatewayFault.stall_after(after_bytes))
        viewer = await setup.viewer()
        await until(lambda: same_picture(setup, viewer), "the picture")
        assert dials(setup) == ["stall-after", "accepted"]
        assert [event for event in setup.events if event["event"] == "link.silent"]


async def answers(viewer: Viewer, number: int) -> None:
    """So many updates of a still screen, which are the answers to questions."""
    before = viewer.decoder.updates
    await until(lambda: viewer.decoder.updates - before >= number, "answers to questions")


async def test_a_still_screen_is_not_a_frozen_one(tmp_path: Path) -> None:
    """It answers each question, and the link stays."""
    async with under_fault(tmp_path, cloud=STILL, limits=QUICK) as setup:
        viewer = await setup.viewer()
        await answers(viewer, 5)
        assert links(setup) == 1


async def test_an_upstream_that_never_answers_is_replaced(tmp_path: Path) -> None:
    """It reads on, but was asked for a pixel, and for its screen again."""
    async with recording_screen() as screen:
        cloud = replace(STILL, instances=(SimulatedInstance(screen=screen.address),))
        async with under_fault(tmp_path, cloud=cloud, limits=QUICK) as setup:
            await setup.viewer()
            await until(lambda: links(setup) >= 2, "another link")
            pixel = b"\x03\0" + bytes(4) + b"\0\1\0\1"
            assert screen.received[0].count(pixel) == 1
            assert screen.received[0].count(b"\x03\0" + bytes(4)) >= 3


@pytest.mark.parametrize("after_bytes", [150, 400, 1000, 3000])
async def test_a_link_reset_in_mid_rectangle_leaves_no_trace(
    tmp_path: Path, after_bytes: int
) -> None:
    """What was announced and never came is made up for: the viewer decodes on, to the same end."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, GatewayFault.reset_after(after_bytes), times=2)
        viewer = await setup.viewer()
        await until(lambda: links(setup) >= 3, "the third link")
        await until(lambda: same_picture(setup, viewer), "the picture")


async def test_a_dial_that_hangs_is_given_up_with_its_url(tmp_path: Path) -> None:
    """Past url_ttl the VncUrl is dropped; the next dial has a fresh one."""
    async with under_fault(tmp_path, cloud=STILL, limits=Limits(url_ttl=1.0)) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, GatewayFault.hang())
        assert await shows(await setup.connect())
        assert dials(setup) == ["hang", "accepted"]
        assert url_calls(setup) == ["OK", "OK"]


async def test_a_url_that_comes_too_late_is_not_dialled(tmp_path: Path) -> None:
    """Its life counts from the question: what is over isn't dialled, and costs no permit."""
    async with under_fault(tmp_path, cloud=STILL, limits=Limits(url_ttl=1.0)) as setup:
        setup.cloud.faults.next("DescribeInstanceVncUrl", ApiFault.slow(2.5))
        assert await shows(await setup.connect())
        assert url_calls(setup) == ["slow", "OK"]
        assert dials(setup) == ["accepted"]


async def test_a_gateway_that_refuses_is_not_hammered(tmp_path: Path) -> None:
    """The dials grow rare, and the viewer is informed after max_wait."""
    limits = Limits(max_wait=2.5)
    async with under_fault(
        tmp_path, cloud=STILL, limits=limits, first_pause_s=FIRST_PAUSE_S
    ) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, GatewayFault.refuse(503), times=500)
        assert await farewell(await setup.connect()) == (4504, "upstream-lost")
        assert 2 <= len(dials(setup)) <= 14
        assert len(url_calls(setup)) - len(dials(setup)) in (0, 1)


async def test_a_budget_used_up_is_reported(tmp_path: Path) -> None:
    """When the next permit lies beyond max_wait, the viewer is closed, and the cloud not asked."""
    limits = Limits(reconnects_per_minute=2, max_wait=5.0, linger=0.0)
    async with under_fault(tmp_path, cloud=STILL, limits=limits) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, GatewayFault.refuse(503), times=500)
        viewer = await setup.connect()
        assert await farewell(viewer) == (4429, "throttled")
        assert len(dials(setup)) == len(url_calls(setup)) == 2


@pytest.mark.parametrize("step", [Step.VERSION, Step.CHALLENGE, Step.SECURITY_RESULT])
async def test_garbage_in_the_handshake_is_reported(tmp_path: Path, step: Step) -> None:
    """At once, and without a second dial. A random SecurityResult means that it failed."""
    how = guarded(tmp_path)
    cloud = replace(how.pop("cloud"), seed=7)
    async with under_fault(tmp_path, cloud=cloud, **how) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, GatewayFault.garbage_at(step), times=9)
        code, reason = await farewell(await setup.connect())
        wanted = (4500, "upstream-protocol") if step is Step.VERSION else (4401, "vnc-password")
        assert (code, reason) == wanted
        assert dials(setup) == ["garbage"]


@pytest.mark.parametrize("seed", range(6))
async def test_garbage_for_security_types_hangs_nothing(tmp_path: Path, seed: int) -> None:
    """Unknown types make it opaque, known ones are tried: whatever comes, the viewer learns of it.

    The simulator, which doesn't see the garbage, may find that the daemon chose what was never
    offered: only here that is no breach.
    """
    cloud = replace(STILL, seed=seed)
    fault = GatewayFault.garbage_at(Step.SECURITY_TYPES)
    async with under_fault(tmp_path, cloud=cloud, tolerated={"bad-handshake"}) as setup:
        setup.cloud.gateway_faults.next(INSTANCE, fault)
        viewer = await setup.connect()
        first = await viewer.socket.receive(timeout=WAIT_S)
        if first.type is aiohttp.WSMsgType.CLOSE:
            told = [(4500, "upstream-protocol"), (4401, "vnc-password")]
            assert (first.data, first.extra) in told
        else:
            assert first.data == b"RFB 003.008\n"
            assert (await setup.state())["state"] in ("opaque", "running")


async def broken_off(setup: Running, fault: GatewayFault) -> None:
    """A viewer whose console ends with 4500 by this."""
    setup.cloud.gateway_faults.next(INSTANCE, fault)
    viewer = await setup.connect()
    await viewer.shake_hands()
    await viewer.send(viewer.request(0))
    assert await farewell(viewer) == (4500, "upstream-protocol")
    await until(lambda: not setup.cloud.sessions, "the end of the link")


@pytest.mark.parametrize(
    "fault",
    [
        GatewayFault.garbage_at(Step.RUNNING),
        GatewayFault(GatewayFaultKind.UNKNOWN_MESSAGE),
    ],
)
async def test_one_bad_stream_is_forgotten(tmp_path: Path, fault: GatewayFault) -> None:
    """4500; the next viewer gets a console with all that belongs to it, and so does one more."""
    async with under_fault(tmp_path, cloud=replace(STILL, seed=1)) as setup:
        await broken_off(setup, fault)
        assert await shows(await setup.connect())
        assert await shows(await setup.connect())
        assert (await setup.state())["state"] == "running"
        assert dials(setup) == [fault.kind, "accepted"]


async def forget(setup: Running) -> dict[str, Any]:
    """As `vncproxy forget` does."""
    path = f"/api/v1/instances/{INSTANCE}/learned"
    async with setup.http.delete(setup.base + path) as answer:
        assert answer.status == 200
        told: dict[str, Any] = await answer.json()
    return told


async def test_the_same_unknown_message_twice_opens_it_opaque(tmp_path: Path) -> None:
    """The next viewer gets the upstream's bytes as they are, until that is forgotten."""
    fault = GatewayFault(GatewayFaultKind.UNKNOWN_MESSAGE)
    async with under_fault(tmp_path, cloud=STILL) as setup:
        for _ in range(2):
            await broken_off(setup, fault)
        viewer = await setup.connect()
        assert await viewer.socket.receive_bytes(timeout=WAIT_S) == b"RFB 003.008\n"
        assert (await setup.state())["state"] == "opaque"
        assert await farewell(await setup.connect()) == (4409, "in-use")
        # The bytes are the simulator's own: the handshake goes through untouched.
        await viewer.socket.send_bytes(b"RFB 003.008\n")
        assert await viewer.socket.receive_bytes(timeout=WAIT_S) == b"\x01\x01"
        assert dials(setup) == [fault.kind] * 2 + ["accepted"]

        assert await forget(setup) == {"known": True, "state": "opaque"}
        assert await forget(setup) == {"known": False, "state": "opaque"}
        await viewer.close()
        await until(lambda: not setup.cloud.sessions, "the end of the link")
        assert await shows(await setup.connect())
        assert (await setup.state())["state"] == "running"


async def test_opaque_ends_with_the_greeting_that_was_known(tmp_path: Path) -> None:
    """An upstream that greets otherwise is another one: RFB is spoken, without another dial."""
    fault = GatewayFault(GatewayFaultKind.UNKNOWN_MESSAGE)
    async with under_fault(tmp_path, cloud=STILL) as setup:
        for _ in range(2):
            await broken_off(setup, fault)
    async with under_fault(tmp_path, **guarded(tmp_path)) as setup:
        assert await shows(await setup.connect())
        assert dials(setup) == ["accepted"]


async def test_unknown_security_makes_it_opaque(tmp_path: Path) -> None:
    """Seen before any byte went to the viewer: it speaks with the upstream itself."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        fault = GatewayFault(GatewayFaultKind.UNKNOWN_SECURITY)
        setup.cloud.gateway_faults.next(INSTANCE, fault)
        viewer = await setup.connect()
        assert await viewer.socket.receive_bytes(timeout=WAIT_S) == b"RFB 003.008\n"
        assert (await setup.state())["state"] == "opaque"
        await viewer.socket.send_bytes(b"RFB 003.008\n")
        offered = await viewer.socket.receive_bytes(timeout=WAIT_S)
        assert offered[0] == len(offered) - 1
        assert not {1, 2} & set(offered[1:])
        assert await farewell(await setup.connect()) == (4409, "in-use")
        assert dials(setup) == ["unknown-security"]


async def test_a_lost_opaque_link_ends_the_viewer(tmp_path: Path) -> None:
    """Nothing can take its place: what was sent on it isn't known here."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        fault = GatewayFault(GatewayFaultKind.UNKNOWN_SECURITY)
        setup.cloud.gateway_faults.next(INSTANCE, fault)
        viewer = await setup.connect()
        assert await viewer.socket.receive_bytes(timeout=WAIT_S) == b"RFB 003.008\n"
        setup.cloud.drop(INSTANCE)
        assert await farewell(viewer) == (4504, "upstream-lost")
        assert len(dials(setup)) == 1


async def test_a_bad_rectangle_ends_it_but_not_for_good(tmp_path: Path) -> None:
    """4500; what is broken isn't unknown, so the next viewer gets the console as ever."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        fault = GatewayFault(GatewayFaultKind.BAD_RECTANGLE)
        setup.cloud.gateway_faults.next(INSTANCE, fault)
        viewer = await setup.viewer()
        assert await viewer.ended() == 4500
        await until(lambda: not setup.cloud.sessions, "the end of the link")
        second = await setup.connect()
        assert await shows(second)
        assert (await setup.state())["state"] == "running"
        assert dials(setup) == ["bad-rectangle", "accepted"]


async def test_an_upstream_that_stops_reading_holds_the_viewer_back(tmp_path: Path) -> None:
    """Input waits at the viewer, not in the daemon, and none is lost when the upstream goes on."""
    text = b"\x06\0\0\0" + (256 * 1024).to_bytes(4, "big") + bytes(256 * 1024)
    async with recording_screen() as screen:
        cloud = replace(STILL, instances=(SimulatedInstance(screen=screen.address),))
        async with under_fault(tmp_path, cloud=cloud) as setup:
            screen.reading.clear()
            viewer = await setup.connect()
            await viewer.shake_hands()
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 400:
                    async with asyncio.timeout(1.0):
                        await viewer.socket.send_bytes(text)
                    sent += 1
            # What the sockets hold is some MB each; without holding back all 100 MB would be in.
            assert sent * len(text) < 48_000_000
            screen.reading.set()
            received = screen.received[0]
            # The one that timed out had been queued whole.
            whole = (sent + 1) * len(text)
            await until(lambda: received.count(text[:8]) == sent + 1, "every text's head")
            await until(lambda: len(received) - received.find(text[:8]) >= whole, "their rest")
            assert received.count(text) == sent + 1
            await viewer.send(key(1, 0x61), key(0, 0x61))
            await until(lambda: key(0, 0x61) in received, "a key after them")
