"""Questions at the terminal."""

from __future__ import annotations

import pytest

from vncproxy.commands.questions import agreed, ask


def test_the_question_is_no_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is seen, too, where the output goes to a file."""
    monkeypatch.setattr("builtins.input", lambda: "y")
    assert ask("One\x1b\nStop it? ") == "y"
    assert capsys.readouterr() == ("", "One\\x1b\nStop it? ")


@pytest.mark.parametrize(
    ("answer", "by_default", "otherwise"),
    [("y", True, True), (" YES ", True, True), ("n", False, False), ("", True, False)],
)
def test_yes_and_no(answer: str, by_default: bool, otherwise: bool) -> None:
    """Enter means what stands there in capitals; anything else is a no."""
    asked: list[str] = []

    def say(question: str) -> str:
        asked.append(question)
        return answer

    assert agreed(say, "Well", default=True) is by_default
    assert agreed(say, "Well", default=False) is otherwise
    assert asked == ["Well? [Y/n] ", "Well? [y/N] "]
    assert not agreed(lambda _: "yesterday", "Well", default=True)
