import assert from "node:assert/strict";
import { test } from "node:test";
import { Player } from "./player.js";
import { BLOCK_END, DAMAGED, KEY, LIVE, OPENING } from "./recordframes.js";

const text = (words) => new TextEncoder().encode(words);
const said = (data) => new TextDecoder().decode(data);

/** Two blocks of a picture that is a text, and a third that doesn't continue them. */
const BLOCKS = [
  {
    time_ms: 0, whole: false, continues: false,
    frames: [[0, OPENING, "open0"], [10, LIVE, "a"], [40, LIVE, "b"]],
  },
  {
    time_ms: 100, whole: true, continues: true,
    frames: [[100, OPENING, "open1"], [100, KEY, "AB"], [120, LIVE, "c"]],
  },
  {
    time_ms: 200, whole: true, continues: false,
    frames: [[200, OPENING, "open2"], [200, KEY, "ABC"], [60_000, LIVE, "d"]],
  },
];

class FakeScreen {
  log = [];
  begin(init) {
    this.log.push(`begin ${said(init)}`);
  }
  async push(data) {
    this.log.push(said(data));
  }
  async show() {}
  end() {
    this.log.push("end");
  }
}

/** A player whose clock the test moves, and what it has asked for. */
function setUp(blocks = BLOCKS) {
  const clock = { now: 0 };
  const asked = [];
  async function* open(number, live, signal) {
    asked.push(`${number}${live ? " live" : ""}`);
    for (const [time_ms, kind, words] of blocks[number].frames) {
      if (!live || kind === LIVE || kind === DAMAGED) {
        await Promise.resolve();
        signal.throwIfAborted();
        yield { time_ms, kind, data: text(words) };
      }
    }
    if (!blocks[number].cut) {
      yield { time_ms: 0, kind: BLOCK_END, data: text("") };
    }
  }
  const screen = new FakeScreen();
  const player = new Player(screen, { duration_ms: 60_500, blocks }, open, () => clock.now);
  return { clock, asked, screen, player };
}

async function settled() {
  for (let turn = 0; turn < 50; turn += 1) {
    await new Promise(setImmediate);
  }
}

/** Until this has been shown. */
async function shown(screen, last) {
  for (let tries = 0; tries < 400 && screen.log.at(-1) !== last; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(screen.log.at(-1), last);
}

test("what is sought is shown from the nearest whole picture, without waiting", async () => {
  const { screen, player, asked } = setUp();
  player.seek(110);
  assert.equal(player.busy, true);
  await settled();
  assert.equal(player.busy, false);
  assert.deepEqual(screen.log, ["begin open1", "AB"]);
  assert.deepEqual(asked, ["1"]);
  assert.equal(player.position_ms, 110);
  player.end();
});

test("before the first whole picture it begins at the beginning", async () => {
  const { screen, player } = setUp();
  player.seek(20);
  await settled();
  assert.deepEqual(screen.log, ["begin open0", "a"]);
  player.end();
});

test("played on, a block that continues brings only what is new, another begins anew", async () => {
  const { clock, screen, player, asked } = setUp();
  player.seek(0);
  await settled();
  player.play();
  clock.now = 150;
  await shown(screen, "c");
  clock.now = 300;
  await shown(screen, "ABC");
  assert.deepEqual(screen.log, ["begin open0", "a", "b", "c", "begin open2", "ABC"]);
  assert.deepEqual(asked, ["0", "1 live", "2"]);
  player.end();
});

test("the speed counts from when it is chosen", async () => {
  const { clock, player } = setUp();
  player.seek(300);
  await settled();
  player.play();
  clock.now = 100;
  assert.equal(player.position_ms, 400);
  player.speed = 16;
  clock.now = 200;
  assert.equal(player.position_ms, 2_000);
  player.pause();
  clock.now = 900;
  assert.equal(player.position_ms, 2_000);
  player.end();
});

test("idle times are left out but for a little", async () => {
  const { player } = setUp();
  player.seek(300);
  await settled();
  player.skipIdle = true;
  player.play();
  await settled();
  assert.equal(player.position_ms, 59_500);
  player.end();
});

test("at the end it stops, and plays from the beginning the next time", async () => {
  const { clock, screen, player } = setUp();
  player.seek(60_400);
  await settled();
  player.play();
  clock.now = 200;
  for (let tries = 0; tries < 100 && player.playing; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(player.ended, true);
  assert.equal(player.playing, false);
  player.play();
  assert.equal(player.position_ms, 0);
  await settled();
  assert.equal(screen.log.at(-1), "begin open0");
  player.end();
});

test("a later wish replaces an earlier one at once", async () => {
  const { screen, player } = setUp();
  player.seek(20);
  player.seek(110);
  player.seek(60_200);
  await settled();
  assert.deepEqual(screen.log.slice(-3), ["begin open2", "ABC", "d"]);
  assert.equal(player.position_ms, 60_200);
  player.end();
});

test("the position is that of the picture, however slowly it is drawn and whatever the speed", async () => {
  const frames = [[0, OPENING, "open0"], ...Array.from({ length: 60 }, (_, n) => [160 * n, LIVE, `${n}`])];
  const { clock, screen, player } = setUp([{ time_ms: 0, whole: true, continues: false, frames }]);
  const shown = [];
  // Each picture takes a second, in which the recording would go on for 16.
  screen.push = async (data) => {
    clock.now += 1_000;
    shown.push([Number(said(data)), player.position_ms]);
  };
  const told = [];
  player.addEventListener("time", () => told.push(player.position_ms));
  player.speed = 16;
  player.seek(0);
  await settled();
  player.play();
  await settled();
  for (let tries = 0; tries < 2_000 && shown.length < 60; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    clock.now += 100;
  }
  assert.equal(shown.length, 60);
  for (const [number, position_ms] of shown.slice(1)) {
    assert.equal(position_ms, 160 * number);
  }
  // And it is told with each picture, not only when there is time left.
  assert.ok(new Set(told).size > 50, `${new Set(told).size} positions were told`);
  assert.deepEqual(told, [...told].sort((one, other) => one - other));
  player.end();
});

test("playing goes on with the next whole picture after a damaged block", async () => {
  const damaged = {
    ...BLOCKS[1],
    frames: [[100, OPENING, "open1"], [100, KEY, "AB"], [0, DAMAGED, "It is damaged."]],
  };
  const { clock, screen, player, asked } = setUp([BLOCKS[0], damaged, { ...BLOCKS[2], continues: true }]);
  const faults = [];
  player.addEventListener("fault", ({ detail }) => faults.push(detail));
  player.seek(110);
  await settled();
  assert.deepEqual(screen.log, ["begin open1", "AB"]);
  player.play();
  clock.now = 100;
  await shown(screen, "ABC");
  assert.deepEqual(asked, ["1", "2"]);
  assert.deepEqual(faults, []);
  player.end();
});

test("damage is told in its own words, and what came before stays", async () => {
  const blocks = [{ ...BLOCKS[0], frames: [[0, OPENING, "open0"], [5, LIVE, "a"], [0, DAMAGED, "It is damaged."]] }];
  const { screen, player } = setUp(blocks);
  const faults = [];
  player.addEventListener("fault", ({ detail }) => faults.push(detail));
  player.play();
  player.seek(30);
  await settled();
  assert.deepEqual(faults, ["It is damaged."]);
  assert.equal(player.playing, false);
  assert.deepEqual(screen.log, ["begin open0", "a"]);
});

test("a block that just ends means that nobody sends any more", async () => {
  const { player } = setUp([{ ...BLOCKS[0], cut: true }]);
  const faults = [];
  player.addEventListener("fault", ({ detail }) => faults.push(detail));
  player.seek(50);
  await settled();
  assert.match(faults[0], /ended/);
});
