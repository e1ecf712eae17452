"""Updates for one client, decoded."""

from __future__ import annotations

import random

import pytest

from tests.decoder import Decoder
from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.updates import Updates

WIDTH, HEIGHT = 200, 90
WHOLE = Area(0, 0, WIDTH, HEIGHT)


class Client:
    """A canvas, its updates, and a decoder that sees what is sent."""

    def __init__(self, *encodings: int, width: int = WIDTH, height: int = HEIGHT) -> None:
        """A picture with some colours on it."""
        rng = random.Random(1)
        self.canvas = Canvas(width, height)
        self.canvas.paste(self.canvas.area, bytes(rng.randrange(60) for _ in range(width * height)))
        self.canvas.drain()
        self.updates = Updates(self.canvas)
        self.updates.set_encodings(encodings)
        self.decoder = Decoder(width, height)

    def changed(self) -> None:
        """Tell of changes, as a desktop does."""
        self.updates.note(self.canvas.drain())

    def receive(self) -> None:
        """Decode the update that is due."""
        assert self.updates.due
        self.decoder.feed(self.updates.compose())
        assert self.decoder.at_boundary

    @property
    def right(self) -> bool:
        """Whether the client sees what is there."""
        return self.decoder.frame.tobytes() == palette.to_rgb(self.canvas.pixels)


@pytest.mark.parametrize("encodings", [(), (0,), (5, 0), (7,), (7, -224), (-260, 5), (99, 16, 5)])
def test_a_full_update_and_a_change_are_seen(encodings: tuple[int, ...]) -> None:
    """In the first encoding of the client's list that is known, else Raw; nothing twice."""
    client = Client(*encodings)
    assert not client.updates.due
    client.updates.request(WHOLE, incremental=False)
    client.receive()
    assert client.right
    client.updates.request(WHOLE, incremental=True)
    assert not client.updates.due
    client.canvas.fill(Area(5, 5, 30, 30), palette.index("white"))
    client.changed()
    client.receive()
    assert client.right
    assert not client.updates.due
    known = [e for e in encodings if e in {0, 5, 7, -260}]
    assert set(client.decoder.encodings) - {-224} == set(known[:1] or [0])
    assert (-224 in client.decoder.encodings) is (-224 in encodings)


def test_a_small_request_is_answered_with_just_that() -> None:
    """A non-incremental one of a single pixel, on a still screen, leaves the rest alone."""
    client = Client(7)
    client.updates.request(WHOLE, incremental=False)
    client.receive()
    client.updates.request(Area(3, 4, 1, 1), incremental=False)
    before = sum(client.decoder.encodings.values())
    client.receive()
    assert sum(client.decoder.encodings.values()) == before + 1
    client.updates.request(WHOLE, incremental=True)
    assert not client.updates.due


def test_requests_merge_into_one_update() -> None:
    """Thirty are answered once, however they differ."""
    client = Client(7)
    for number in range(30):
        client.updates.request(Area(number, 0, 100, 50), incremental=number % 2 == 0)
    client.receive()
    assert not client.updates.due


def test_a_request_outside_is_nothing() -> None:
    """No update is due."""
    client = Client(7)
    client.updates.request(Area(WIDTH, 0, 10, 10), incremental=False)
    assert not client.updates.due


def test_a_move_is_sent_as_a_copy() -> None:
    """If the client knows CopyRect and has what is copied."""
    client = Client(7, 1)
    client.updates.request(WHOLE, incremental=False)
    client.receive()
    client.updates.request(WHOLE, incremental=True)
    client.canvas.move_up(WHOLE, 20)
    client.canvas.fill(Area(0, 70, WIDTH, 20), palette.index("text"))
    client.changed()
    client.receive()
    assert client.right
    assert client.decoder.encodings[1] == 1


@pytest.mark.parametrize("request_area", [WHOLE, Area(0, 0, WIDTH, 10)])
def test_a_copy_that_does_not_fit_the_request_is_sent_as_pixels(request_area: Area) -> None:
    """A full request needs no copy; a small one can't have it."""
    client = Client(7, 1)
    client.updates.request(WHOLE, incremental=False)
    client.receive()
    client.canvas.move_up(WHOLE, 20)
    client.changed()
    client.updates.request(request_area, incremental=request_area != WHOLE)
    client.receive()
    client.updates.request(WHOLE, incremental=True)
    if request_area != WHOLE:
        client.receive()
    assert client.right
    assert client.decoder.encodings[1] == 0


def test_what_a_client_lacks_is_not_copied() -> None:
    """A change that moved before the client saw it comes as pixels."""
    client = Client(7, 1)
    client.updates.request(WHOLE, incremental=False)
    client.receive()
    client.canvas.fill(Area(0, 64, 30, 16), palette.index("white"))
    client.changed()
    client.canvas.move_up(WHOLE, 40)
    client.changed()
    client.updates.request(WHOLE, incremental=True)
    client.receive()
    assert client.right


def test_wide_pictures_are_split() -> None:
    """No rectangle is wider than Tight allows."""
    client = Client(7, width=2100, height=40)
    client.updates.request(client.canvas.area, incremental=False)
    client.receive()
    assert client.right
    assert client.decoder.encodings[7] > 1


def test_random_drawing_is_followed() -> None:
    """Whatever is drawn, moved and asked for, the client ends up with the picture."""
    rng = random.Random(7)
    client = Client(7, 1, -224)
    for _ in range(300):
        x, y = rng.randrange(WIDTH), rng.randrange(HEIGHT)
        area = Area(x, y, rng.randint(1, WIDTH - x), rng.randint(1, HEIGHT - y))
        if rng.random() < 0.3 and area.height > 2:
            client.canvas.move_up(area, rng.randint(1, area.height - 1))
        else:
            client.canvas.fill(area, rng.randrange(100))
        client.changed()
        if rng.random() < 0.6:
            asked = WHOLE if rng.random() < 0.7 else area
            client.updates.request(asked, incremental=rng.random() < 0.8)
            if client.updates.due:
                client.receive()
                assert asked != WHOLE or client.right
    assert client.decoder.encodings[1] > 0
