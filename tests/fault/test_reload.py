"""A page that reloads finds its console as it left it, and costs no dial."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page import page
from tests.setup import (
    CONTINUOUS_UPDATES,
    FENCE,
    USUAL,
    Viewer,
    running,
    until,
)
from vncproxy.simulator.settings import SimulatorSettings

LED_STATE, DESKTOP_NAME = -261, -307
SMALL = SimulatorSettings(animated=False, width=320, height=240)
ENCODINGS = (*USUAL, LED_STATE, DESKTOP_NAME)
RELOADS = 40


def knows_all(viewer: Viewer) -> bool:
    """Whether it knows everything besides the pixels."""
    decoder = viewer.decoder
    return bool(decoder.cursor and decoder.leds == 0 and decoder.screens == 1)


@pytest.mark.parametrize(
    "encodings",
    [
        pytest.param(ENCODINGS, id="requests"),
        pytest.param((*ENCODINGS, FENCE, CONTINUOUS_UPDATES), id="continuous"),
    ],
)
async def test_forty_reloads_cost_one_dial(tmp_path: Path, encodings: tuple[int, ...]) -> None:
    """Each time the picture is whole at once, with cursor, name and LEDs; one VncUrl serves all."""
    async with running(tmp_path, cloud=SMALL) as setup:
        cursors = set()
        for number in range(1 + RELOADS):
            viewer = await setup.viewer(encodings=encodings)
            await until(lambda: setup.shows(viewer) and knows_all(viewer), "the whole screen")  # noqa: B023
            assert "demo" in viewer.name
            cursors.add(viewer.decoder.cursor)
            # One full update, not a screen put together from what happens to change.
            assert viewer.decoder.updates <= 4, number
            await viewer.close()
        assert len(cursors) == 1
        assert [dial.outcome for dial in setup.cloud.dials] == ["accepted"]
        assert len([call for call in setup.cloud.calls if "VncUrl" in call.action]) == 1
        last = await page(setup)
        await until(
            lambda: last.state.get("saved", {}).get("dials_avoided") == RELOADS + 1,
            "the count of what was saved",
        )
        assert not setup.cloud.breaches
