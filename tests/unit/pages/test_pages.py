"""The page's files: their words fit the daemon's codes, their modules do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vncproxy.errors import CloseCode

FOLDER = Path(__file__).resolve().parents[3] / "vncproxy" / "pages"
MODULE_TESTS = Path(__file__).resolve().parent / "js"
PAGES = sorted(FOLDER.glob("*.html"))

ABNORMAL = 1006
"""Made by the browser itself, so the daemon's list doesn't have it. Source: RFC 6455, 7.1.5."""


def page_close_codes() -> list[dict[str, object]]:
    """The list of closecodes.js, which is JSON between `=` and `;`, but for the calls of `t`."""
    text = (FOLDER / "js" / "closecodes.js").read_text("utf-8")
    found = re.search(r"export const CLOSE_CODES = (\[.*?\n\]);", text, re.DOTALL)
    assert found
    codes: list[dict[str, object]] = json.loads(re.sub(r'\bt\(("[^"]*")\)', r"\1", found[1]))
    return codes


def test_the_page_knows_every_close_code() -> None:
    """The page's codes and words are the daemon's, besides the one that browsers make."""
    page = {entry["code"]: entry["word"] for entry in page_close_codes()}
    assert page.pop(ABNORMAL) == ""
    assert page == {code.value: code.word for code in CloseCode}


def test_the_page_comes_back_by_itself_only_where_that_helps() -> None:
    """Retries without a person are those of the contract and no others."""
    by_itself = {entry["code"] for entry in page_close_codes() if entry["retry"] != "never"}
    assert by_itself == {
        ABNORMAL,
        CloseCode.RESTARTING,
        CloseCode.TOO_SLOW,
        CloseCode.THROTTLED,
        CloseCode.UPSTREAM_LOST,
    }


class Strictness(HTMLParser):
    """Collects what the Content-Security-Policy would refuse, and what the page refers to."""

    def __init__(self) -> None:
        """Start with nothing found."""
        super().__init__()
        self.refused: list[str] = []
        self.referred: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.refused.append(f"{tag} {name}")
            if name in {"src", "href"} and value is not None:
                self.referred.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.refused.append(tag)


def read(page: Path) -> Strictness:
    """The page as the parser sees it."""
    parser = Strictness()
    parser.feed(page.read_text("utf-8"))
    return parser


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_nothing_inline_and_nothing_foreign(page: Path) -> None:
    """No inline script or style, no foreign address, and every file named exists."""
    seen = read(page)
    assert seen.refused == []
    assert len(seen.ids) == len(set(seen.ids))
    for address in seen.referred:
        assert address in ("/", "/admin") or address.startswith(("/static/", "#")), address
        if address.startswith("/static/") and not address.startswith("/static/novnc/"):
            assert (FOLDER / address.removeprefix("/static/")).is_file(), address


def test_the_pages() -> None:
    """Open consoles, the console, the ticket's, the list, a refusal, the player of recordings."""
    names = [
        "admin.html",
        "console.html",
        "enter.html",
        "index.html",
        "refusal.html",
        "replay.html",
    ]
    assert [page.name for page in PAGES] == names


def test_the_modules_find_their_elements_and_each_other() -> None:
    """Every id that a script asks for is on a page, and every import leads to a file."""
    ids = {name for page in PAGES for name in read(page).ids}
    for module in (FOLDER / "js").glob("*.js"):
        text = module.read_text("utf-8")
        assert set(re.findall(r'byId\("([^"]+)"\)', text)) <= ids, module.name
        for name in re.findall(r'from "\./([^"]+)"', text):
            assert (FOLDER / "js" / name).is_file(), (module.name, name)


def test_no_script_leaves_out_the_base_path() -> None:
    """Addresses are made by `below`; paths of the interface get it in `api.js`."""
    bare = re.compile(r"""href: ["'`]/|(?:assign|replace|open|fetch|import)\(["'`]/|from ["']/""")
    for module in (FOLDER / "js").glob("*.js"):
        assert not bare.search(module.read_text("utf-8")), module.name


def test_the_modules_import_what_gives_them_texts() -> None:
    """A function of texts.js that is called is imported, and one that is imported is called."""
    texts = (FOLDER / "js" / "texts.js").read_text("utf-8")
    functions = set(re.findall(r"^export function (\w+)", texts, re.MULTILINE))
    for module in (FOLDER / "js").glob("*.js"):
        if module.name in ("texts.js", "loading.js"):
            continue
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", module.read_text("utf-8"), flags=re.DOTALL)
        found = re.search(r'^import \{([^}]*)\} from "\./texts\.js";', code, re.MULTILINE)
        imported = set(re.findall(r"\w+", found[1])) if found else set()
        called = set(re.findall(r"(?:(?<![\w.$#])|(?<=\.\.\.))(\w+)\(", code))
        own = set(re.findall(r"(?:function|const|let) (\w+)", code))
        assert imported & functions == (called & functions) - own, module.name


def test_no_module_writes_html_or_evaluates_text() -> None:
    """Text from the daemon, the cloud or a guest can't become markup or code."""
    dangerous = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    )
    for module in (FOLDER / "js").glob("*.js"):
        assert not dangerous.search(module.read_text("utf-8")), module.name


_CUSTOM_EVENT = """
globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(type, options = {}) {
    super(type, options);
    this.detail = options.detail ?? null;
  }
};
"""
"""What each browser has and Node 18 hasn't."""


@pytest.mark.sockets
def test_the_pure_modules_under_node(tmp_path: Path) -> None:
    """Back-off, keys, typing, words and addresses behave, as node's own test runner says."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node isn't installed")
    for module in [*(FOLDER / "js").glob("*.js"), *MODULE_TESTS.glob("*.test.js")]:
        shutil.copy(module, tmp_path / module.name)
    if (FOLDER / "novnc").is_dir():
        shutil.copytree(FOLDER / "novnc", tmp_path / "novnc")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    # One process for all of them: node would start one for each file.
    names = sorted(test.name for test in MODULE_TESTS.glob("*.test.js"))
    (tmp_path / "browser.js").write_text(_CUSTOM_EVENT)
    names.insert(0, "browser.js")
    (tmp_path / "all.js").write_text("".join(f'import "./{name}";\n' for name in names))
    done = subprocess.run(
        [node, "--test", "all.js"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(?:#|ℹ) pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed and int(passed[1]) >= 25, done.stdout
