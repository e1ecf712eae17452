"""The layouts of typed text, key by key, against those of the X server (xkb-data, by xkbcomp)."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from tests.real.peers.presence import need

SCRIPTS = Path(__file__).resolve().parents[2] / "vncproxy" / "pages" / "js"
XKB_NAMES = {"us": "us", "uk": "gb", "de": "de", "fr": "fr", "es": "es", "jp": "jp", "cn": "us"}
DUMP = """
import { LAYOUTS, keysOf } from "./layouts.js";
const of = (name) => Object.fromEntries(keysOf(name, { windows: false }));
const all = Object.keys(LAYOUTS).map((name) => [name, of(name)]);
console.log(JSON.stringify(Object.fromEntries(all)));
"""
KEYMAP = """xkb_keymap {
  xkb_keycodes { include "evdev+aliases(qwerty)" }; xkb_types { include "complete" };
  xkb_compat { include "complete" }; xkb_symbols { include "pc+NAME" };
};"""
DEAD = {"\u0300": "grave", "\u0301": "acute", "\u0302": "circumflex", "\u0308": "diaeresis"}
UNICODE = 0x01000000
EURO = 0x20AC
"""Its keysym has the same number."""

ROWS = {
    "TLDE": "Backquote",
    "AE": [f"Digit{n}" for n in "1234567890"] + ["Minus", "Equal", "IntlYen"],
    "AD": [f"Key{n}" for n in "QWERTYUIOP"] + ["BracketLeft", "BracketRight"],
    "AC": [f"Key{n}" for n in "ASDFGHJKL"] + ["Semicolon", "Quote"],
    "AB": [f"Key{n}" for n in "ZXCVBNM"] + ["Comma", "Period", "Slash", "IntlRo"],
    "BKSL": "Backslash",
    "LSGT": "IntlBackslash",
    "SPCE": "Space",
}


def code_of(name: str) -> str | None:
    """The browser's code for a key of XKB."""
    if isinstance(code := ROWS.get(name), str):
        return code
    row, number = ROWS.get(name[:2]), name[2:]
    return row[int(number) - 1] if isinstance(row, list) and number.isdigit() else None


@cache
def keysym(name: str) -> int:
    """The number of a keysym's name, by the X library."""
    found = ctypes.util.find_library("X11")
    if found is None:
        need("libX11.so.6", "libx11-6")
    return int(ctypes.CDLL(found).XStringToKeysym(name.encode()))


def symbol_of(key: dict[str, Any]) -> set[int]:
    """Keysyms that XKB may have where the page believes this key."""
    if key["dead"] is not None:
        return {keysym(f"dead_{DEAD[key['dead']]}")}
    point = ord(key["character"])
    return {point, UNICODE + point} if point <= 0xFF or point == EURO else {UNICODE + point}


def xkb_levels(layout: str, folder: Path) -> dict[str, list[int]]:
    """The keysyms of each key by level: plain, Shift, AltGr, AltGr with Shift."""
    source, compiled = folder / f"{layout}.xkb", folder / f"{layout}.out"
    source.write_text(KEYMAP.replace("NAME", XKB_NAMES[layout]))
    command = [need("xkbcomp", "x11-xkb-utils"), "-w", "0", "-xkb", str(source), str(compiled)]
    subprocess.run(command, check=True, capture_output=True)
    keys = re.findall(r"key <(\w+)> \{([^}]*)\}", compiled.read_text())
    levels = {}
    for name, body in keys:
        code, symbols = code_of(name), re.findall(r"\[ *([^\]]+?) *\]", body.split("=")[-1])
        if code is not None and symbols:
            levels[code] = [keysym(symbol) for symbol in re.split(r", *", symbols[0])]
    return levels


def test_each_character_is_where_the_x_server_has_it(tmp_path: Path) -> None:
    """Of every layout, dead keys too."""
    node = need("node", "nodejs")
    for script in SCRIPTS.glob("*.js"):
        shutil.copy(script, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "dump.js").write_text(DUMP)
    out = subprocess.run([node, "dump.js"], cwd=tmp_path, check=True, capture_output=True).stdout
    layouts: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(out)
    assert set(layouts) == set(XKB_NAMES)
    wrong = []
    for layout, characters in layouts.items():
        levels = xkb_levels(layout, tmp_path)
        assert len(characters) >= 95
        for character, keys in characters.items():
            for key in keys:
                level = key["shift"] + 2 * key["altGr"]
                there = levels[key["code"]]
                found = there[level] if level < len(there) else 0
                if found not in symbol_of(key):
                    wrong.append((layout, character, key["code"], level, hex(found)))
    assert wrong == []
