"""A viewer's session from the first byte to the last, through the whole daemon."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.setup import running, until


async def test_a_viewer_sees_the_screen_and_types(tmp_path: Path) -> None:
    """The viewer's pixels are the simulator's, a key arrives, and nothing breaks a rule."""
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        width, height = viewer.decoder.size

        def same() -> bool:
            wanted = np.frombuffer(setup.cloud.framebuffer(), np.uint8).reshape(height, width, 3)
            return np.array_equal(viewer.decoder.frame, wanted)

        await until(same, "the same picture")
        await viewer.type("hi")
        await until(lambda: len(setup.cloud.typed) == 4, "four key events")
        await until(same, "the echo of the keys")
        assert not setup.cloud.breaches
        assert len(setup.cloud.dials) == 1
