"""Between the keepalive and the store."""

from __future__ import annotations

import pytest

from vncproxy.console.learned import Learned
from vncproxy.console.lessons import to_lesson, to_memory
from vncproxy.rfb.keepalive import KeepaliveClass, KeepaliveMemory


@pytest.mark.parametrize("kind", list(KeepaliveClass))
def test_what_is_stored_comes_back(kind: KeepaliveClass) -> None:
    """Class, evidence and the earlier times survive the store."""
    memory = KeepaliveMemory(kind, 1, (61.5, 300.0))
    lesson = to_lesson(memory, opaque=True, learned_at=1234.5)
    assert (lesson.opaque, lesson.learned_at) == (True, 1234.5)
    assert to_memory(lesson) == memory


def test_nothing_stored_is_nothing_known() -> None:
    """A console that has learned nothing starts from the beginning."""
    assert to_memory(None) is None


def test_a_class_of_another_version_is_forgotten() -> None:
    """A lesson that this version doesn't understand is as none."""
    assert to_memory(Learned("telepathy", 1, (), False, 0.0)) is None
