"""Questions to whoever is at the terminal.

They are asked between two runs of the event loop: inside of one, asyncio takes Ctrl+C for itself,
and the question would go on.
"""

from __future__ import annotations

from collections.abc import Callable

from vncproxy.commands.output import print_note, print_prompt
from vncproxy.commands.terminal_language import shown
from vncproxy.languages.text import Text

Ask = Callable[[str], str]
"""Given a question, gives the answer; raises as `ask`."""


def ask(question: str) -> str:
    """Ask on standard error, where it is seen also if the output goes to a file.

    Args:
        question: Its last line isn't ended.

    Returns:
        A line of standard input.

    Raises:
        EOFError: There is none.
        KeyboardInterrupt: Ctrl+C, outside of an event loop.
    """
    *lines, last = shown(question).split("\n")
    for line in lines:
        print_note(line)
    print_prompt(last)
    return input()


def agreed(ask: Ask, question: str, *, default: bool) -> bool:
    """Whether the answer to a question is yes; an empty one is the default, any other a no.

    Args:
        ask: Asks it.
        question: Without its question mark.
        default: What Enter means.
    """
    keys = "[Y/n]" if default else "[y/N]"
    answer = ask(Text("{question}? {keys} ", question=question, keys=keys)).strip().lower()
    return answer in ("y", "yes") or (default and not answer)
