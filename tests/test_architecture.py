"""Imports point one way; a wrong arrow fails here, with its file and line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "vncproxy"

# What each part may import, besides itself. Imports point one way:
# cli -> commands -> app -> service -> web -> access -> console
#     -> (websocket, recording, cluster, throttle, instances -> aliyun) -> rfb.
# Everybody may know audit, observe, config, errors, languages, tasks, threads, addresses,
# durable_files and index_database; these know nothing above them.
_BASE = frozenset(
    {"errors", "durable_files", "threads", "addresses", "languages", "index_database"}
)
_COMMON = _BASE | {"tasks", "audit", "observe", "config"}
_BELOW_CONSOLE = _COMMON | {
    "websocket",
    "recording",
    "cluster",
    "throttle",
    "instances",
    "aliyun",
    "rfb",
}
_BELOW_WEB = _BELOW_CONSOLE | {"console", "access"}
_BELOW_APP = _BELOW_WEB | {"", "web", "service", "simulator"}
ALLOWED: dict[str, frozenset[str]] = {
    "": frozenset(),
    "errors": frozenset({"languages"}),
    "rfb": frozenset(),
    "simulator": frozenset(),
    "durable_files": frozenset(),
    "threads": frozenset(),
    "addresses": frozenset(),
    "index_database": frozenset({"errors"}),
    "tasks": frozenset({"errors", "observe"}),
    "audit": _BASE,
    "observe": frozenset({"errors"}),
    "config": _BASE,
    "languages": frozenset(),
    "aliyun": _BASE | {"observe"},
    "instances": _COMMON | {"aliyun"},
    "throttle": _BASE | {"observe"},
    "recording": _BASE | {"rfb"},
    "websocket": frozenset({"errors", "addresses", "tasks", "aliyun", "rfb"}),
    "cluster": frozenset({"errors", "addresses", "config", "throttle"}),
    "console": _BELOW_CONSOLE,
    "access": _BELOW_CONSOLE | {"console"},
    "web": _BELOW_WEB,
    "service": _BELOW_WEB | {"", "web"},
    "app": _BELOW_APP,
    "commands": _BELOW_APP | {"app"},
    "cli": frozenset({"", "commands", "errors"}),
    "__main__": frozenset({"cli"}),
}

# Bytes in, facts out: no loop, no socket, no log, no clock.
PURE = (
    "errors",
    "addresses",
    "rfb",
    "throttle.reconnect_budget",
    "throttle.backoff",
    "aliyun.signing",
    "aliyun.vncurl",
    "audit.record",
    "audit.verification",
    "console.lifecycle",
    "recording.file_format",
)
IMPURE = frozenset({"asyncio", "aiohttp", "websockets", "structlog", "time"})

# The only places that start tasks: each keeps them and waits for their end. The simulator may not
# use the daemon's.
TASK_KEEPERS = frozenset({"tasks", "app", "simulator.cloud", "simulator.session"})
TASK_STARTERS = frozenset({"create_task", "ensure_future"})


@dataclass(frozen=True)
class Import:
    """One import: who, where, what, and whether it runs when the module is loaded."""

    module: str
    line: int
    target: str
    at_load: bool

    def __str__(self) -> str:
        """For the failure's text."""
        return f"{PACKAGE}.{self.module}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, ast.Module]:
    """Every module's tree by its name inside the package; "" is the package itself."""
    trees = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(), str(path))
    return trees


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module, those under TYPE_CHECKING and inside functions too."""
    return tuple(found for name, tree in modules().items() for found in _imports(name, tree))


def _imports(name: str, tree: ast.Module) -> Iterator[Import]:
    def walk(node: ast.AST, at_load: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = at_load and not isinstance(
                child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
            )
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                inside = False
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(name, child.lineno, alias.name, at_load)
            elif isinstance(child, ast.ImportFrom):
                for target in _targets(name, child):
                    yield Import(name, child.lineno, target, at_load)
            yield from walk(child, inside)

    yield from walk(tree, at_load=True)


def _targets(name: str, node: ast.ImportFrom) -> Iterator[str]:
    assert node.level == 0, f"{PACKAGE}.{name}:{node.lineno}: imports are written in full"
    module = node.module or ""
    for alias in node.names:
        inner = _inside(f"{module}.{alias.name}")
        # `from vncproxy.rfb import tight` imports a module, `import Tight` a name of one.
        yield f"{module}.{alias.name}" if inner is not None and inner in modules() else module


def _inside(target: str) -> str | None:
    """The name inside the package, or None for other packages."""
    if target == PACKAGE:
        return ""
    return target.removeprefix(f"{PACKAGE}.") if target.startswith(f"{PACKAGE}.") else None


def _part(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def _covers(prefix: str, module: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


def test_every_part_is_known() -> None:
    """A new part of the package has to find its place among the arrows."""
    assert {_part(name) for name in modules()} <= set(ALLOWED)


def test_arrows_point_one_way() -> None:
    """No part imports what is above it, nor what it isn't meant to know."""
    wrong = [
        str(found)
        for found in imports()
        if (target := _inside(found.target)) is not None
        and _part(target) != _part(found.module)
        and _part(target) not in ALLOWED[_part(found.module)]
    ]
    assert wrong == []


def test_pure_modules_know_no_loop_no_socket_no_log_and_no_clock() -> None:
    """They are tested with plain values, and can't wait, write or look at the time."""
    wrong = [
        str(found)
        for found in imports()
        if any(_covers(prefix, found.module) for prefix in PURE)
        and found.target.split(".")[0] in IMPURE
    ]
    assert wrong == []


@pytest.mark.parametrize("prefix", PURE)
def test_pure_modules_exist(prefix: str) -> None:
    """A renamed module doesn't leave the list without a guard."""
    assert any(_covers(prefix, name) for name in modules())


def test_modules_form_no_circle() -> None:
    """A module can be read, loaded and tested without one that needs it."""
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found in imports():
        target = _inside(found.target)
        if target in graph and target != found.module and found.at_load:
            graph[found.module].add(target)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_tasks_are_started_where_they_are_kept() -> None:
    """A task that nobody keeps can be collected while it runs, and its error is lost."""
    wrong = [
        f"{PACKAGE}.{name}:{node.lineno} calls {node.func.attr}"
        for name, tree in modules().items()
        if name not in TASK_KEEPERS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in TASK_STARTERS
        and not _of_a_group(node.func)
    ]
    assert wrong == []


def _of_a_group(call: ast.Attribute) -> bool:
    """A TaskGroup waits for its tasks by itself; by custom it is called group or tasks."""
    return isinstance(call.value, ast.Name) and call.value.id.rstrip("s") in ("group", "task", "tg")


def test_relative_imports_and_stars_are_not_used() -> None:
    """What is imported, and from where, can be read in the line itself."""
    wrong = [
        f"{PACKAGE}.{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.level or any(alias.name == "*" for alias in node.names))
    ]
    assert wrong == []


def test_the_rules_can_fail() -> None:
    """A module that breaks each rule is found: the reading of imports isn't blind."""
    tree = ast.parse(
        "import asyncio.events\n"
        "from vncproxy.web import transports\n"
        "def f():\n    from vncproxy import cli\n"
        "if TYPE_CHECKING:\n    from vncproxy.errors import Side\n"
    )
    found = list(_imports("rfb.made_up", tree))
    assert [(i.line, i.target.split(".")[0], i.at_load) for i in found] == [
        (1, "asyncio", True),
        (2, "vncproxy", True),
        (4, "vncproxy", False),
        (6, "vncproxy", False),
    ]
    assert found[3].target == "vncproxy.errors"
