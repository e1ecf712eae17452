"""Finds instances by words, and the names that somebody may have meant who named none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.languages.text import Text
from vncproxy.tasks import in_turns

NEAR_MAX = 3
"""How many names are proposed."""
_NAME_LIKENESS = 0.6
_ID_LIKENESS = 0.85
"""Ids are long and alike: only a slip of the hand is near."""
_NAME_MAX_CHARS = 128
"""Of a name that others are compared with. Source: ECS, InstanceName."""
_PER_TURN = 64


def has_words(row: Mapping[str, object], words: Iterable[str]) -> bool:
    """Whether an instance has all the words; upper and lower case are the same.

    The list of the page looks for words in the same way (pages/js/finding.js).

    Args:
        row: With `alias`, `id`, `name` and `region`, and the `tags` by key.
        words: Each a part of one of these, or of a tag such as `team=shop`.
    """
    tags = row.get("tags")
    texts = [str(row.get(key) or "") for key in ("alias", "id", "name", "region")]
    if isinstance(tags, Mapping):
        texts += [f"{key}={value}" for key, value in tags.items()]
    hay = "\n".join(texts).casefold()
    return all(word.casefold() in hay for word in words)


async def near(name: str, instances: Sequence[ConsoleInstance]) -> list[str]:
    """The names, most alike first, of which one may have been meant.

    Args:
        name: What was asked for.
        instances: Those that the asking user may know of.
    """
    matcher = SequenceMatcher(b=name[:_NAME_MAX_CHARS].casefold(), autojunk=False)
    likeness: dict[str, float] = {}
    async for one in in_turns(instances, _PER_TURN):
        for proposed, least in (
            (one.alias, _ID_LIKENESS if one.alias == one.id else _NAME_LIKENESS),
            (one.name, _NAME_LIKENESS),
            (one.id, _ID_LIKENESS),
        ):
            matcher.set_seq1(proposed[:_NAME_MAX_CHARS].casefold())
            if (
                proposed
                and matcher.real_quick_ratio() >= least
                and matcher.quick_ratio() >= least
                and (ratio := matcher.ratio()) >= least
            ):
                likeness[proposed] = ratio
                break
    return sorted(likeness, key=lambda proposed: -likeness[proposed])[:NEAR_MAX]


async def advice(name: str, instances: Sequence[ConsoleInstance]) -> Text:
    """What to say besides to somebody whose name finds no instance: a sentence, or "".

    Args:
        name: What was asked for.
        instances: Those that the asking user may know of.
    """
    same = [one.id for one in instances if name and one.name == name]
    if len(same) > 1:
        return Text(
            "{same} instances have this name: name one by its id, such as {same2}.",
            same=len(same),
            same2=same[0],
        )
    proposed = await near(name, instances)
    if not proposed:
        return Text("")
    *others, last = proposed
    if not others:
        return Text("Did you mean {last}?", last=last)
    return Text("Did you mean {others} or {last}?", others=", ".join(others), last=last)
