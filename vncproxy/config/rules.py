"""What a [[rule]] can mean: what can't match anybody or anything, ever, is a mistake."""

from __future__ import annotations

from vncproxy.config.hours import parse_span
from vncproxy.config.model import Rule
from vncproxy.config.problem_words import shown
from vncproxy.config.problems import Report
from vncproxy.config.user_name import is_user_name

_PATTERN = frozenset("*?[]")
_TAG = "tag:"
_NAMES = (
    "a user's name, or @ and a group's: names are no patterns, so many users need a group or a list"
)


def check_rules(rules: tuple[Rule, ...], report: Report) -> None:
    """Note every user, pattern and span that can't be meant."""
    for index, rule in enumerate(rules):
        for user in rule.users:
            name = user.removeprefix("@")
            if not is_user_name(name) or _PATTERN & set(name):
                report.add(("rule", index, "users"), shown(user), _NAMES)
        for pattern in rule.instances:
            if pattern.startswith(_TAG) and "=" not in pattern:
                report.add(("rule", index, "instances"), shown(pattern), "tag:KEY=VALUE")
        for text in rule.hours or ():
            try:
                parse_span(text)
            except ValueError as expected:
                report.add(("rule", index, "hours"), shown(text), str(expected))
