"""`vncproxy screenshot --live`, against a daemon."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.owner_client import owner_client
from tests.setup import until
from tests.unit.commands.surroundings import Installation
from vncproxy.commands import live_screenshot as module
from vncproxy.commands.live_screenshot import live_screenshot
from vncproxy.errors import AccessError, LocalError

pytestmark = pytest.mark.sockets


async def test_the_picture_is_the_open_consoles(installation: Installation) -> None:
    """Every pixel, without a dial or a call; who has the console isn't disturbed."""
    config = installation.config("demo")
    async with installation.daemon(config) as setup:
        viewer = await owner_client(setup).viewer()
        await until(lambda: setup.shows(viewer), "the viewer's picture")
        dials, calls = len(setup.cloud.dials), len(setup.cloud.calls)
        picture = await live_screenshot(config, {}, "demo")
        assert picture.content_type == "image/png"
        with Image.open(io.BytesIO(picture.content)) as image:
            shown = np.asarray(image.convert("RGB"))
        width, height = setup.cloud.screen_size()
        truth = np.frombuffer(setup.cloud.framebuffer(), np.uint8).reshape(height, width, 3)
        assert np.array_equal(shown, truth)
        assert (len(setup.cloud.dials), len(setup.cloud.calls)) == (dials, calls)
        await viewer.type("still")
        await until(lambda: setup.cloud.typed_text == "still", "the viewer has control")
        await until(lambda: setup.shows(viewer), "the viewer's picture goes on")
        watched = await setup.audited("view")
        assert [one["instance"] for one in watched] == [
            setup.cloud.settings.instances[0].instance_id
        ]


async def test_without_an_open_console(installation: Installation) -> None:
    """None is opened for it."""
    config = installation.config("demo")
    async with installation.daemon(config) as setup:
        with pytest.raises(LocalError, match="no console of demo is open: open it first, or"):
            await live_screenshot(config, {}, "demo")
        with pytest.raises(AccessError) as unknown:
            await live_screenshot(config, {}, "unknown")
        assert unknown.value.status == 404
        assert not setup.cloud.dials


async def test_without_pillow(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before anything is asked."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(LocalError, match=r"this needs Pillow: pip install 'vncproxy\[export\]'"):
        await live_screenshot(installation.config(), {}, "demo")
