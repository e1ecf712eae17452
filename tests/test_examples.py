"""The example dashboard and alert rules name metrics and labels that the daemon has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from prometheus_client.parser import text_string_to_metric_families

from vncproxy.observe.metrics import LinkOutcome, Metrics

CONFIG = Path(__file__).resolve().parents[1] / "config"
DASHBOARD = CONFIG / "grafana-dashboard.json"
RULES = CONFIG / "alert-rules.yml"

_NAME = re.compile(r"\b(?:vncproxy|process|python)_[a-z_]+\b")
_SELECTOR = re.compile(r"\b((?:vncproxy|process)_[a-z_]+)\{([^}]*)\}")
_LABEL = re.compile(r'([a-z_]+)\s*=~?\s*"')
# Given by Prometheus itself.
_TARGET_LABELS = frozenset({"job", "instance", "le"})


def labels() -> dict[str, set[str]]:
    """Every sample that the daemon shows, and its labels."""
    metrics = Metrics("1")
    metrics.api_called("DescribeInstances", "ok")
    metrics.keepalive_sent("pointer")
    metrics.refused("word")
    metrics.viewer_closed(1000)
    metrics.recorded("login")
    with metrics.keepalive_class("pointer"):
        pass
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> Iterator[str]:
    """Everything that Prometheus is asked."""
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (one["query"] for one in board["templating"]["list"] if one["type"] == "query")
    yield from (rule["expr"] for rule in rules())


def rules() -> list[dict[str, str]]:
    """The alert rules, by a reader of the YAML that stands there and of no other."""
    found: list[dict[str, str]] = []
    folded = None
    for line in RULES.read_text().splitlines():
        text = line.strip()
        if text.startswith("- alert: "):
            found.append({"alert": text.removeprefix("- alert: ")})
        if not found or not text or text.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        if folded is not None and depth > folded:
            found[-1]["expr"] = f"{found[-1]['expr']} {text}".strip()
            continue
        folded = None
        key, colon, value = text.removeprefix("- ").partition(":")
        assert colon and "\t" not in line and depth % 2 == 0, line
        if key == "expr" and value.strip() == ">-":
            folded, value = depth, ""
        found[-1][key] = value.strip()
    return found


def test_the_dashboard_has_what_a_dashboard_needs() -> None:
    """Panels with a title, a place of their own and something to ask."""
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    assert board["title"] == "vncproxy"
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places) >= 12
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
    assert all(panel["title"] and panel["description"] for panel in board["panels"])
    assert all(panel["targets"] for panel in board["panels"])


def test_the_rules_have_what_rules_need() -> None:
    """Names of their own, a severity and a sentence for people."""
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found) >= 8
    for rule in found:
        assert re.fullmatch(r"Vncproxy[A-Za-z]+", rule["alert"])
        assert rule["expr"]
        assert rule["severity"] in ("warning", "critical")
        assert len(rule["summary"]) > 10
        assert re.fullmatch(r"\d+m", rule.get("for", "1m"))


def test_every_metric_exists() -> None:
    """A name that nobody exports makes a panel empty and an alert silent."""
    known = labels()
    asked = {name for text in expressions() for name in _NAME.findall(text)}
    assert asked - known.keys() == set()
    assert len(asked) > 15


def test_every_counter_and_histogram_is_shown() -> None:
    """What the daemon counts is on the dashboard."""
    shown = " ".join(
        target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    )
    own = {name for name in labels() if name.startswith("vncproxy_")}
    parts = re.compile(r"_(created|sum|count)$")
    assert {name for name in own if not parts.search(name) and name not in shown} == set()


def test_every_label_exists() -> None:
    """A selector by a label that a metric doesn't have finds nothing."""
    known = labels()
    for text in expressions():
        for name, selector in _SELECTOR.findall(text):
            assert set(_LABEL.findall(selector)) <= known[name] | _TARGET_LABELS, (name, selector)


def test_every_outcome_exists() -> None:
    """A word that the daemon never says would keep an alert silent."""
    outcomes = {word for text in expressions() for word in re.findall(r'outcome="([^"]+)"', text)}
    assert outcomes <= set(get_args(LinkOutcome))
    assert outcomes
