"""A whole console, between an upstream and viewers who send anything in any order."""

from __future__ import annotations

from tests.fuzz.loop import run
from tests.fuzz.target import Choices, Target
from tests.property.passage import Passage
from tests.unit.console.fakes import VIEWER_HANDSHAKE
from vncproxy.errors import CloseCode

STEPS_MAX = 40
ANSWERS_MAX = 4
"""Whole pictures of an upstream, which cost more than what the input itself holds."""
_NAMES = ("a", "b")


async def _script(choices: Choices) -> None:
    passage = Passage(("any", "input", "key")[choices.number(2)], confirms=choices.number(1) == 1)
    await passage.start()
    ends = []
    try:
        for name in _NAMES:
            passage.join(name)
            ends.append(passage.viewers[name])
        await passage.connect()
        for name in _NAMES:
            for piece in VIEWER_HANDSHAKE:
                passage.say(name, piece)
        answers = 0
        for _ in range(STEPS_MAX):
            if not choices.rest:
                break
            answers += await _step(passage, choices, may_answer=answers < ANSWERS_MAX)
    finally:
        await passage.close()
    for end in ends:
        reason = end.closed_with
        assert reason is None or reason.code is not CloseCode.INTERNAL, reason


async def _step(passage: Passage, choices: Choices, *, may_answer: bool) -> bool:
    """One thing that happens; what reaches the upstream by it are whole messages.

    Returns:
        Whether it was a whole picture.
    """
    act = choices.number(7)
    match act:
        case 0 | 1:
            data = choices.take(choices.number(255))
            if passage.upstream is not None:
                passage.upstream.transport.deliver(data)
        case 2 | 3:
            name = _NAMES[choices.number(1)]
            data = choices.take(choices.number(255))
            if name in passage.viewers:
                passage.say(name, data)
        case 4:
            cut = choices.number(255)
            if may_answer:
                passage.answer(cut)
        case 5:
            await passage.turn()
        case 6:
            name = _NAMES[choices.number(1)]
            if name in passage.viewers and choices.number(1):
                passage.leave(name)
            elif name in passage.viewers:
                await passage.grab(name)
        case _:
            passage.lose()
            if passage.upstream is not None:
                await passage.lost()
    passage.take()
    if passage.console.router.link is None and passage.upstream is not None:
        # What it sent has ended it.
        passage.upstream = None
    return act == 4


def console(data: bytes) -> None:
    """Nothing that one sends harms another, or reaches the upstream in part."""
    run(_script(Choices(data)))


TARGETS: tuple[Target, ...] = (Target("console", console, 2048),)
