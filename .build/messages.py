"""Brings the catalogues up to date with the sources: `python .build/messages.py`, with Babel.

New messages come in without a translation, those that nothing uses go, and all others stay. A text
that was changed is a new message: nothing is guessed.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from vncproxy.console.lifecycle import State  # noqa: E402
from vncproxy.languages import markup  # noqa: E402

FOLDER = ROOT / "vncproxy" / "languages"

SCRIPT_WORDS = {"t": None, "tc": ((1, "c"), 2), "tn": (2, 3), "tParts": None}
"""Functions of vncproxy/pages/js/texts.js."""

SENTENCES = (
    "recording/novnc_form",
    "service/readiness",
    "web/health",
    "access/account_directory",
    "access/authority",
    "access/login_sessions",
    "access/proxy_header",
    "aliyun/client",
    "aliyun/credentials",
    "aliyun/credentials_chain",
    "aliyun/errors",
    "aliyun/instances",
    "aliyun/proxies",
    "aliyun/tls",
    "aliyun/vncurl",
    "audit/session_index",
    "console/control",
    "console/registry",
    "console/retry_policy",
    "console/session_recordings",
    "index_database",
    "instances/instance_list",
    "instances/power",
    "recording/recordings",
    "recording/writer_thread",
    "recording/reader",
    "recording/recording_index",
    "recording/file_format",
    "rfb/keepalive",
    "service/hours_watch",
    "web/answers",
    "web/api",
    "web/console_json",
    "web/context",
    "web/door",
    "web/instances",
    "web/middleware",
    "web/origin",
    "web/past_lists",
    "web/past_query",
    "web/past_rights",
    "web/past_sessions",
    "web/query_names",
    "web/recordings",
    "web/replay",
)
"""Modules whose sentences may be shown on a page: with a capital and a full stop."""

FRAGMENTS = (
    "console/viewer_limits",
    "web/viewer_websockets",
    "console/message_router",
    "console/viewer",
    "web/viewer_session",
    "rfb/client_stream",
    "rfb/hextile",
    "rfb/rectangles",
    "rfb/server_message_lengths",
    "rfb/server_stream",
    "rfb/tight",
    "rfb/upstream_handshake",
    "rfb/viewer_handshake",
    "websocket/frames",
    "access/rules",
    "aliyun/http_exchange",
    "aliyun/gateway_host",
    "aliyun/resolver",
    "audit/batch_writer",
    "audit/chained_file",
    "audit/log",
    "audit/rotated_files",
    "console/link",
    "console/link_opener",
    "console/link_supervisor",
    "console/opaque_relay",
    "errors",
    "recording/folder",
    "throttle/boot_clock",
    "throttle/fallback_ledger",
    "throttle/ledger_interface",
    "throttle/sqlite_faults",
    "throttle/sqlite_ledger",
    "throttle/valkey_connection",
    "throttle/valkey_ledger",
    "throttle/valkey_sentinels",
    "websocket/gateway_dial",
    "websocket/transport",
)
"""Modules of which parts of sentences may be shown as well."""

NOT_ON_PAGES = frozenset(
    {
        "a viewer's connection",
        "only messages that could be measured get here",
        "the stream delivers complete rectangles only",
        "these steps take no bytes: they aren't in _WAITS_FOR",
        "{upper}{text} It is tried again.",
        "SELECT count(*) FROM sessions WHERE {where}",
        "SELECT count(*) FROM recordings WHERE {where}",
        "SELECT * FROM recordings WHERE name = ?",
        "DELETE FROM recordings WHERE name = ?",
        "DELETE FROM changed WHERE id = ?",
        "DELETE FROM changed WHERE id <= (SELECT max(id) FROM changed) - ?",
        "PRAGMA cache_size = -{cache_kib}",
        "The audit goes on in the old file",
        "this file continues the one that was moved away",
        "The audit goes on in the old file, {path}",
        "the audit is to go on in {path}",
        "The audit can't go on in {path}",
        "this file continues {path}",
        "the file before this one was removed while in use",
        "it was cut from {size} to {st_size} bytes while in use",
        "{value} bytes were written to it by another program",
        "it was written to by another program",
        "the last record had no line end",
        "the file ended in lines that are no records",
        "the file ended in a record that wasn't finished",
        "{count} records are in the log only: the disk didn't take them, or a fault",
        "the file was moved; a reload begins a new one",
        "a link's close",
        "a link's connection",
        "a link's end",
        "the viewer speaks another RFB version than the daemon",
        "the console's server speaks a kind of VNC that vncproxy doesn't know: native viewers "
        "can't be let in; open it in a browser",
        "{name} ({conditions}) decides; more only {only}",
    }
)
"""What those say elsewhere."""

WORDS = (
    "ecs:{action} is permitted.",
    "none is configured: add an [[instance]] block, or set discover = true under [aliyun]",
    "Running",
    "Stopped",
    "Starting",
    "Stopping",
    "Pending",
    "started",
    "stopped",
    "restarted",
    "asked for something",
    "can't be asked for its status",
    "not shown by the cloud",
    "Between {name} and {name2} records are missing.",
    "there is no such user in users_file",
    "watch",
    "control",
    "administer",
    "admin",
    "not see",
    "open",
    "key presses",
    "pointer messages",
    "update requests",
    "the ECS API",
    "no rule names both the user and the instance",
    "it is not UTF-8",
    "it is not a text",
    "it is empty or too long",
    "it has characters that no URL has",
    "it is not a ws:// or wss:// URL",
    "it names no proper host",
    "it names no proper port",
    "its disk doesn't answer",
    "the daemon is stopping",
    "the disk is full",
    "the disk is read-only",
    "this user may not write to the folder for recordings",
    "writing fails",
    "no connection within max_wait",
    "the daemon is restarting",
    "The owner's token was exchanged.",
    "the console was closed just now; open it again",
    "{refusal} The log has the request id.",
    "token",
    "proxy's secret",
    "usage:",
    "error:",
    "example:",
    "examples:",
    "options",
    "positional arguments",
    "show this help message and exit",
    "show program's version number and exit",
    "Open the VNC console of an Alibaba Cloud ECS instance in a browser, and keep it open.",
    "the following arguments are required: {names}",
    "one of the arguments {names} is required",
    "unrecognized arguments: {arguments}",
    "argument {name}: {problem}",
    "expected one argument",
    "expected at least one argument",
    "expected at most one argument",
    "ignored explicit argument {value}",
    "not allowed with argument {name}",
    "invalid choice: {value} (choose from {choices})",
    "invalid {type} value: {value}",
    "ambiguous option: {option} could match {matches}",
    "Log in first",
    "Not allowed",
    "Not found",
    "Wrong host name",
    "Too many at once",
    "Not possible just now",
    "This didn’t work",
    "rule {number}",
    "{hours} (rule {number})",
    "{hours} (rule {number}) and {only}",
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "-",
    ",",
    "{rule} ({conditions}) decides",
    "{rule} ({conditions}) decides; more only {only}",
    "1 to 8 printable ASCII characters (Aliyun's are exactly six letters or digits)",
    "the proxy that {variable} names ({place})",
    "input",
    "key",
)
"""Single words that stand in the braces of others."""

NOT_FOR_PEOPLE = re.compile(
    r"_log\b|_tasks?\.|tasks\.start|^(ValueError|TypeError|RuntimeError|Tasks|after|timed|Literal)$"
)

RULE_WORDS = ("watch", "control", "admin", "recorded", "power")
"""What rules give, in sentences about them."""

HEADER = '# The texts of vncproxy in {language}. See .github/CONTRIBUTING.md, "a text".'


def found() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    """Every message of the sources: its file, its text or its two forms, its context."""
    pages = ROOT / "vncproxy" / "pages"
    for path in sorted(pages.glob("*.html")):
        for text in markup.texts(path.read_text("utf-8")):
            yield _name(path), text, None
    for path in sorted((pages / "js").glob("*.js")):
        with path.open("rb") as source:
            for _, text, _, context in extract(
                "javascript", source, SCRIPT_WORDS, options={"parse_template_string": True}
            ):
                yield _name(path), text, context
    for name in (*SENTENCES, *FRAGMENTS):
        path = ROOT / "vncproxy" / f"{name}.py"
        for text in _of_module(path, fragments=name in FRAGMENTS):
            if text not in NOT_ON_PAGES:
                yield _name(path), text, None
    for path in sorted((ROOT / "vncproxy" / "commands").glob("*.py")):
        for text in _of_command(path):
            yield _name(path), text, None
    for path in sorted((ROOT / "vncproxy").rglob("*.py")):
        for text, context in _of_texts(path):
            yield _name(path), text, context
    for text in WORDS:
        yield _name(Path(__file__)), text, None
    for text in RULE_WORDS:
        yield _name(Path(__file__)), text, "rule"
    for state in State:
        # As the API has them; `vncproxy consoles` shows them by these messages.
        yield _name(Path(__file__)), state.value, "console"


def _of_module(path: Path, *, fragments: bool) -> Iterator[str]:
    """The texts of a module that pages may show.

    Args:
        path: Of its source.
        fragments: Whether parts of sentences are among them.
    """
    tree = ast.parse(path.read_text("utf-8"))
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(target := node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    for node in _outside_of_logs(tree):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.strip()
        elif isinstance(node, ast.JoinedStr):
            text = _with_braces(node, constants).strip()
        words = re.sub(r"\{\w+\}", "", text)
        is_sentence = re.fullmatch(r"(?s)[A-Z{“\"].* .*[.?}]", text) is not None
        if re.search(r"[A-Za-z]{2}.* .*[a-z]{2}", words) and (is_sentence or fragments):
            yield text


def _of_command(path: Path) -> Iterator[str]:
    """What a command's help says."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        values: list[ast.expr | None] = []
        match node:
            case ast.Call(func=ast.Name(id="Command")):
                values = [node.args[1]]
            case ast.Call(func=ast.Name(id="add_json")):
                values = list(node.args)
            case ast.Call():
                values = [one.value for one in node.keywords if one.arg == "help"]
            case ast.FunctionDef(name="_add_arguments" | "add_json"):
                # A help text that is too long for its line has a name.
                assigned = (one for one in node.body if isinstance(one, ast.Assign))
                values = [*node.args.defaults, *(one.value for one in assigned)]
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value


def _of_texts(path: Path) -> Iterator[tuple[str | tuple[str, str], str | None]]:
    """What a module says as a `Text` or with `counted`, but what has nothing but names in it."""
    source = path.read_text("utf-8")
    if not re.search(r"\b(?:import|class) Text\b", source):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Name(id="Text"),
                args=[ast.Constant(value=str() as text), *_],
                keywords=keywords,
            ) if re.sub(r"\{\w+\}|\s", "", text):
                contexts = {word.arg: word.value for word in keywords}
                context = contexts.get("context")
                yield text, context.value if isinstance(context, ast.Constant) else None
            case ast.Call(func=ast.Name(id="Meta"), keywords=keywords):
                for word in keywords:
                    if word.arg == "description" and isinstance(word.value, ast.Constant):
                        yield str(word.value.value), None
            case ast.Call(
                func=ast.Name(id="counted"),
                args=[_, ast.Constant(value=str() as one), ast.Constant(value=str() as many)],
            ):
                yield (one, many), None


def _outside_of_logs(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but docstrings, log lines, names of tasks, assertions, and parts of f-strings."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Assert):
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call) and NOT_FOR_PEOPLE.search(ast.unparse(child.func)):
            continue
        yield child
        if isinstance(child, ast.JoinedStr):
            for part in child.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _outside_of_logs(part)
        else:
            yield from _outside_of_logs(child)


def _with_braces(node: ast.JoinedStr, constants: dict[str, str]) -> str:
    """An f-string as a message: `{name}` for what is put in, and constants of the module whole."""
    parts = []
    names: Counter[str] = Counter()
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
            continue
        assert isinstance(part, ast.FormattedValue)
        if isinstance(part.value, ast.Name) and part.value.id in constants:
            parts.append(constants[part.value.id])
            continue
        name = _name_in(part.value)
        names[name] += 1
        parts.append(f"{{{name}{names[name] if names[name] > 1 else ''}}}")
    return "".join(parts)


def _name_in(value: ast.expr) -> str:
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Call(args=[ast.Name() | ast.Attribute() as first, *_]):
            return _name_in(first)
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _name_in(inner)
        case _:
            return "value"


def template() -> Catalog:
    """A catalogue of all messages, without translations."""
    catalogue = Catalog(charset="utf-8")
    for name, text, context in found():
        catalogue.add(text, locations=[(name, 0)], context=context)
    return catalogue


def read(path: Path) -> Catalog:
    """A catalogue as Babel reads it."""
    with path.open("rb") as source:
        return read_po(source, locale=path.stem)


def updated(path: Path) -> bytes:
    """The catalogue in a file, with the messages that there are now."""
    catalogue = read(path)
    catalogue.update(template(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = HEADER.format(language=catalogue.locale.english_name)
    target = io.BytesIO()
    write_po(
        target, catalogue, width=100, include_lineno=False, ignore_obsolete=True, omit_header=True
    )
    head = f'{catalogue.header_comment}\nmsgid ""\nmsgstr ""\n"Language: {path.stem}\\n"\n'
    rest = (
        '"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
    )
    return (head + rest).encode() + target.getvalue()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def main() -> None:
    """Write them."""
    for path in sorted(FOLDER.glob("*.po")):
        path.write_bytes(updated(path))
        missing = [message.id for message in read(path) if message.id and not message.string]
        for text in missing:
            sys.stdout.write(f"{_name(path)}: not translated: {text!r}\n")
        if missing:
            sys.exit(1)


if __name__ == "__main__":
    main()
