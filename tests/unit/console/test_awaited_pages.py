"""Which console a page belongs to that comes after its viewer."""

from __future__ import annotations

from typing import Any

from tests.clock import FakeClock
from vncproxy.console.awaited_pages import MOST, PATIENCE_S, AwaitedPages


def test_a_page_finds_its_console_once() -> None:
    """The one that its viewer came to last."""
    first: Any = object()
    second: Any = object()
    pages = AwaitedPages()
    assert pages.take("v-1") is None
    pages.expect("v-1", first)
    pages.expect("v-2", first)
    pages.expect("v-1", second)
    assert pages.take("v-1") is second
    assert pages.take("v-1") is None
    assert pages.take("v-2") is first


def test_pages_that_never_come_cost_little() -> None:
    """No more than so many are kept, and those no longer than their tickets."""
    console: Any = object()
    clock = FakeClock()
    pages = AwaitedPages(clock)
    for number in range(MOST + 1):
        pages.expect(f"v-{number}", console)
    assert pages.take("v-0") is None
    assert pages.take("v-1") is console
    clock.forward(PATIENCE_S + 1)
    other: Any = object()
    pages.expect("v-new", other)
    assert pages.take("v-2") is None
    assert pages.take("v-new") is other
