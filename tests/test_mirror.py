"""Every module has the test file in which a reader would look for its tests."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Modules whose tests are elsewhere, and where; a test file may stand for several modules.
ELSEWHERE: dict[str, str] = {
    "__main__.py": "tests/unit/test_cli.py",  # which runs `python -m vncproxy`
    "service/listeners.py": "tests/fault/test_new_configuration.py",  # they need a daemon
    "web/native_door.py": "tests/fault/test_native.py",  # a door needs a daemon
    "web/context.py": "tests/unit/web/test_api.py",  # the keys by which handlers find their parts
    "access/identity.py": "tests/unit/web/test_door.py",  # a value
}

# Tests of files that aren't Python, and what they are about.
OF_OTHER_FILES: dict[str, str] = {"tests/unit/pages/test_pages.py": "vncproxy/pages"}

# Modules without tests of their own: a debt, to be paid and never to grow.
DEBTS: frozenset[str] = frozenset()


def modules() -> list[str]:
    """Every module that has code, as a path inside the package."""
    package = ROOT / "vncproxy"
    return sorted(
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path.name != "__init__.py" or path.read_text().strip()
    )


def usual_place(module: str) -> Path:
    """Where the tests of a module belong."""
    path = Path(module)
    name = path.parent.name if path.name == "__init__.py" else path.stem
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    return ROOT / "tests" / "unit" / folder / f"test_{name}.py"


def has_tests(path: Path) -> bool:
    """Whether the file is there and holds a test."""
    return path.is_file() and "def test_" in path.read_text()


def test_every_module_has_its_test_file() -> None:
    """vncproxy/a/b.py is tested in tests/unit/a/test_b.py."""
    missing = [
        f"{module}: no {usual_place(module).relative_to(ROOT)}"
        for module in modules()
        if module not in ELSEWHERE
        and module not in DEBTS
        and not _only_names(module)
        and not has_tests(usual_place(module))
    ]
    assert missing == []


def test_what_is_tested_elsewhere_is_there() -> None:
    """The list of exceptions names modules and tests that exist, and only true exceptions."""
    known = modules()
    assert [module for module in ELSEWHERE if module not in known] == []
    assert [place for place in ELSEWHERE.values() if not has_tests(ROOT / place)] == []
    assert [module for module in ELSEWHERE if has_tests(usual_place(module))] == []


def test_debts_are_real() -> None:
    """A paid debt is struck off the list."""
    assert [m for m in DEBTS if m not in modules() or has_tests(usual_place(m))] == []


def test_unit_tests_belong_to_a_module() -> None:
    """A test file whose module is gone, or was renamed, is found."""
    places = {usual_place(module) for module in modules()} | {
        ROOT / place
        for place in (
            *ELSEWHERE.values(),
            *(place for place, about in OF_OTHER_FILES.items() if (ROOT / about).exists()),
        )
    }
    stray = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests" / "unit").rglob("test_*.py")
        if path not in places
    ]
    assert stray == []


def _only_names(module: str) -> bool:
    """A package's `__init__` that only says what the package gives has nothing to test."""
    if not module.endswith("__init__.py"):
        return False
    text = (ROOT / "vncproxy" / module).read_text()
    return "def " not in text and "class " not in text
