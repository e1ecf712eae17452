"""The simulated cloud, before anybody has connected to it."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from vncproxy.simulator import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.cloud import Cloud


@pytest.fixture
def cloud() -> Cloud:
    """Two instances and a clock that stands still."""
    two = (SimulatedInstance(instance_id="i-one"), SimulatedInstance(instance_id="i-two"))
    return Cloud(SimulatorSettings(instances=two, width=320, height=200), clock=lambda: 7.0)


def test_every_vnc_url_has_a_token_of_its_own(cloud: Cloud) -> None:
    """And names the gateway."""
    urls = [unquote(cloud.make_url("i-one")) for _ in range(2)]
    tokens = {parse_qs(urlsplit(url).query)["s"][0] for url in urls}
    assert len(tokens) == 2
    assert all(urlsplit(url).path == "/websockify/" for url in urls)


def test_the_first_instance_is_meant_where_none_is_named(cloud: Cloud) -> None:
    """Its status can be set; a name that doesn't exist is an error."""
    cloud.set_status("Stopped")
    assert (cloud.instance().status, cloud.instance("i-two").status) == ("Stopped", "Running")
    with pytest.raises(KeyError):
        cloud.instance("i-three")


def test_a_screen_has_pixels_before_anybody_looks(cloud: Cloud) -> None:
    """As many as its size says, also once that has changed."""
    assert len(cloud.framebuffer()) == 320 * 200 * 3
    assert cloud.resize(640, 400)
    assert cloud.screen_size() == (640, 400)
    assert cloud.screen_size("i-two") == (320, 200)


def test_without_a_session_there_is_nothing_to_end(cloud: Cloud) -> None:
    """And nothing was dialled, called or broken."""
    assert not cloud.drop()
    assert (cloud.sessions, cloud.idle_seconds(), cloud.most_dials()) == ([], {}, 0)
    assert not cloud.breaches
