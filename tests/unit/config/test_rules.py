"""What a [[rule]] can mean."""

from __future__ import annotations

from vncproxy.config.build import convert
from vncproxy.config.model import Rule
from vncproxy.config.problems import Report
from vncproxy.config.rules import check_rules
from vncproxy.config.schema import BLOCKS
from vncproxy.errors import ConfigError, ConfigProblem


def _problems(*rules: Rule) -> list[ConfigProblem]:
    report = Report(None, {})
    check_rules(rules, report)
    try:
        report.raise_if_any()
    except ConfigError as error:
        return error.problems
    return []


def test_users_are_names() -> None:
    """`*` isn't everybody, though instances take patterns; proxies' names may be addresses."""
    assert (
        _problems(Rule(users=("ann", "@ops", "ann@example.com", "ann smith"), instances=("*",)))
        == []
    )
    found = _problems(Rule(users=("ann", "*", "web-?", "@"), instances=("*",)))
    assert [(one.key, one.found) for one in found] == [
        ("[[rule]] 1 users", "'*'"),
        ("[[rule]] 1 users", "'web-?'"),
        ("[[rule]] 1 users", "'@'"),
    ]
    assert "no patterns" in found[0].expected


def test_tags_have_values() -> None:
    """A tag without one matches nothing."""
    assert _problems(Rule(users=("ann",), instances=("tag:team=shop", "tag:team=*"))) == []
    [found] = _problems(Rule(users=("ann",), instances=("web-*", "tag:team")))
    assert (found.found, found.expected) == ("'tag:team'", "tag:KEY=VALUE")


def test_hours_of_rules() -> None:
    """Each span that is none is named, and what is expected in its place."""
    good = Rule(users=("ann",), instances=("*",), hours=("mon-fri 08:00-18:00",))
    bad = Rule(users=("ann",), instances=("*",), hours=("22:00-06:00", "mon-fry 8-18", "08-18"))
    found = _problems(good, bad)
    assert [(one.key, one.found) for one in found] == [
        ("[[rule]] 2 hours", "'mon-fry 8-18'"),
        ("[[rule]] 2 hours", "'08-18'"),
    ]
    assert "mon-fri 08:00-18:00" in found[0].expected
    field = BLOCKS["rule"]["hours"]
    assert convert(["22:00-06:00"], field) == ("22:00-06:00",)
    for wrong in ([], "22:00-06:00", [""], [8]):
        assert convert(wrong, field) is None
