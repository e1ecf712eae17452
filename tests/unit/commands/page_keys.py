"""What the page's own modules make of texts and combinations, asked by node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "vncproxy" / "pages" / "js"
_PROGRAM = """
import fs from "node:fs";
import { combinationOf } from "./combinations.js";
import { keyOf } from "./keysyms.js";
import { LAYOUTS, keysOf, locksShift } from "./layouts.js";
import { strokesFor } from "./strokes.js";
import { typeStrokes } from "./typist.js";

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const signal = { aborted: false };
const sleep = async () => {};
const ready = () => "yes";
const progress = () => {};

async function typed({ text, ...guest }) {
  const { strokes } = strokesFor(text, guest);
  const pressed = [];
  const press = (...key) => pressed.push(key);
  await typeStrokes(strokes, { press, perSecond: 1, ready, sleep, progress, signal });
  return pressed;
}

const charactersOf = (name) => [...keysOf(name, { windows: false }).keys()].join("");

/** As screen.js does it. */
function tapped(text) {
  const { names } = combinationOf(text);
  const keys = names?.map((name) => keyOf(name, names.includes("Shift")));
  const all = (down) => keys.map((key) => [...key, down]);
  return keys && [...all(true), ...all(false).reverse()];
}

const texts = [];
for (const one of asked.texts) {
  texts.push(await typed(one));
}
console.log(JSON.stringify({
  texts,
  combinations: asked.combinations.map((text) => tapped(text) ?? null),
  characters: Object.fromEntries(Object.keys(LAYOUTS).map((name) => [name, charactersOf(name)])),
  locks: Object.keys(LAYOUTS).filter((name) => locksShift(name, { windows: true })),
}));
"""


def page_says(folder: Path, texts: list[dict[str, Any]], combinations: list[str]) -> dict[str, Any]:
    """The keys that the page presses: [keysym, code, whether it goes down] for each change.

    Args:
        folder: To work in.
        texts: Each with `text`, `layout`, `windows` and `capsLock`.
        combinations: As somebody writes them.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node isn't installed")
    for script in SCRIPTS.glob("*.js"):
        shutil.copy(script, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.js").write_text(_PROGRAM)
    done = subprocess.run(
        [node, "program.js"],
        cwd=folder,
        input=json.dumps({"texts": texts, "combinations": combinations}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said
