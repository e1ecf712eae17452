"""Between the keepalive and the store."""

from __future__ import annotations

import pytest

from vncproxy.console.keepalive_memory import Learned, Opaque
from vncproxy.console.lessons import to_lesson, to_memory
from vncproxy.rfb.keepalive import KeepaliveClass, KeepaliveMemory


@pytest.mark.parametrize("kind", list(KeepaliveClass))
def test_what_is_stored_comes_back(kind: KeepaliveClass) -> None:
    """Class, evidence and the earlier times survive the store."""
    memory = KeepaliveMemory(kind, 1, (61.5, 300.0))
    opaque = Opaque(b"RFB 003.008\n", 1000.0)
    lesson = to_lesson(memory, unknown="a message", opaque=opaque, learned_at=1234.5)
    assert (lesson.unknown, lesson.opaque, lesson.learned_at) == ("a message", opaque, 1234.5)
    assert to_memory(lesson) == memory


def test_nothing_stored_is_nothing_known() -> None:
    """A console that has learned nothing starts from the beginning."""
    assert to_memory(None) is None


def test_a_class_of_another_version_is_forgotten() -> None:
    """A lesson that this version doesn't understand is as none."""
    assert to_memory(Learned("telepathy", 1, (), "", None, 0.0)) is None
