/** The page that plays one recording. */

import { recordingOf } from "./addresses.js";
import { below } from "./basepath.js";
import { byId, element, setText } from "./elements.js";
import { languageSwitch } from "./languageswitch.js";
import { Player } from "./player.js";
import { FrameCutter } from "./recordframes.js";
import { ReplayScreen } from "./replayscreen.js";
import { t, tag } from "./texts.js";
import { damageText, isDamagedAt, lackOf, lengthText, momentText, noteText, spokenLength } from "./timeline.js";
import { placeOf } from "./words.js";

const STEP_MS = 10_000;
const PLAY_PATH = "M8 5.5v13l10.5-6.5z";
const PAUSE_PATH = "M7 5.5h3.5v13H7zM13.5 5.5H17v13h-3.5z";
/** Of a daemon's recordings; "" where `vncproxy replay` serves the one that it was given. */
const name = recordingOf(location.pathname);
const PATH = name ? below(`/api/v1/recordings/${encodeURIComponent(name)}`) : "/api/v1/recording";

const LIST = below("/admin#recordings");

const KEPT = "vncproxy-replay-key";

/**
 * The key from the address: other accounts of the machine don't have it.
 *
 * It leaves the address bar and the history, and stays with the tab for a reload.
 */
function takeKey() {
  const given = location.hash.slice(1);
  if (!given) {
    return sessionStorage.getItem(KEPT) ?? "";
  }
  sessionStorage.setItem(KEPT, given);
  history.replaceState(null, "", location.pathname);
  return given;
}

byId("who").after(languageSwitch());

// A daemon knows its users by their cookie.
const proof = name ? {} : { Authorization: `Bearer ${takeKey()}` };

// Another address put into this tab's bar loads nothing: only the fragment changes.
window.addEventListener("hashchange", () => location.reload());

function offerWayBack() {
  byId("home").replaceWith(
    element("a", { class: "home", href: LIST, "aria-label": t("All recordings"), title: t("All recordings") }, byId("home").cloneNode()),
  );
  const file = `${PATH}/file`;
  byId("full-button").before(element("a", { class: "button tool", id: "download", href: file, download: name, text: t("Download") }));
}

async function ask(path, signal) {
  const answer = await fetch(path, { headers: { ...proof, "Accept-Language": tag }, cache: "no-store", signal });
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    throw new Error(told?.error?.text ?? t("vncproxy answered with status {status}.", { status: answer.status }));
  }
  return answer;
}

/** The frames of a block, as they are read. */
async function* frames(number, live, signal) {
  const answer = await ask(`${PATH}/blocks/${number}${live ? "?live=1" : ""}`, signal);
  const reader = answer.body.getReader();
  const cutter = new FrameCutter();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield* cutter.feed(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function say(tone, title, text) {
  byId("veil").hidden = false;
  byId("veil").dataset.tone = tone;
  setText(byId("message-title"), title);
  setText(byId("message-text"), text);
  if (name) {
    byId("message-actions").replaceChildren(element("a", { class: "button primary", href: LIST, text: t("All recordings") }));
  }
  byId("message").focus({ preventScroll: true });
}

class ReplayPage {
  #player;
  #startedAt;
  #damage;
  #wasPlaying = false;
  #screen = new ReplayScreen(byId("screen"), byId("ghost"));

  /** @param {object} contents the server's answer */
  constructor(contents) {
    this.#startedAt = Date.parse(contents.started_at);
    this.#damage = contents.damage;
    this.#player = new Player(this.#screen, contents, frames);
    this.#introduce(contents);
    this.#mark(contents);
    this.#screen.addEventListener("fault", () => this.#player.broke());
    this.#screen.addEventListener("dimensions", () => this.#drawDimensions());
    this.#player.addEventListener("change", () => this.#draw());
    this.#player.addEventListener("time", () => this.#drawTime());
    this.#player.addEventListener("fault", ({ detail }) => {
      say("stop", t("It can’t be played any further"), detail);
    });
    this.#listen();
    this.#player.seek(0);
    this.#player.play();
  }

  #introduce(contents) {
    const name = contents.alias || contents.instance;
    setText(byId("name"), name);
    document.title = t("{name}, recorded · vncproxy", { name });
    setText(byId("place"), placeOf({ ...contents, id: contents.instance }));
    setText(byId("who"), contents.address ? t("{name} from {address}", { name: contents.user, address: contents.address }) : contents.user);
    const lack = lackOf(contents);
    byId("cut").hidden = !lack;
    setText(byId("cut"), lack?.word ?? "");
    byId("cut").title = lack?.text ?? "";
    setText(byId("duration"), lengthText(contents.duration_ms));
    const seek = byId("seek");
    seek.max = contents.duration_ms;
    seek.disabled = byId("play").disabled = false;
    byId("deck").hidden = false;
  }

  #mark({ notes, damage, duration_ms: duration }) {
    const part = (time_ms) => (duration ? (100 * time_ms) / duration : 0);
    const spans = damage.map((span) => {
      const mark = element("i", { class: "mark damage", title: damageText(span) });
      mark.style.left = `${part(span.from_ms)}%`;
      mark.style.width = `max(3px, ${part(span.to_ms) - part(span.from_ms)}%)`;
      return mark;
    });
    const marks = notes.map(({ time_ms: at, what }) => {
      const mark = element("i", { class: `mark ${what}`, title: `${lengthText(at)}: ${noteText(what)}` });
      mark.style.left = `${part(at)}%`;
      return mark;
    });
    byId("marks").replaceChildren(...spans, ...marks);
  }

  #listen() {
    const player = this.#player;
    const seek = byId("seek");
    byId("play").addEventListener("click", () => this.#toggle());
    byId("stage").addEventListener("click", ({ target }) => {
      if (target === byId("stage")) {
        this.#toggle();
      }
    });
    byId("back").addEventListener("click", () => player.seek(player.position_ms - STEP_MS));
    byId("on").addEventListener("click", () => player.seek(player.position_ms + STEP_MS));
    seek.addEventListener("input", () => player.seek(Number(seek.value)));
    byId("speed").addEventListener("change", ({ target }) => {
      player.speed = Number(target.value);
    });
    byId("skip").addEventListener("change", ({ target }) => {
      player.skipIdle = target.checked;
    });
    byId("full-button").addEventListener("click", () => this.#toggleFull());
    document.addEventListener("fullscreenchange", () => {
      document.body.classList.toggle("full", document.fullscreenElement !== null);
    });
    document.addEventListener("keydown", (event) => this.#pressed(event));
    window.addEventListener("pagehide", () => player.end());
  }

  #toggle() {
    if (this.#player.playing) {
      this.#player.pause();
    } else {
      this.#player.play();
    }
  }

  #toggleFull() {
    if (document.fullscreenElement) {
      document.exitFullscreen();
    } else {
      document.documentElement.requestFullscreen().catch(() => {});
    }
  }

  #pressed(event) {
    const player = this.#player;
    const ours = {
      " ": () => this.#toggle(),
      k: () => this.#toggle(),
      ArrowLeft: () => player.seek(player.position_ms - STEP_MS),
      ArrowRight: () => player.seek(player.position_ms + STEP_MS),
      Home: () => player.seek(0),
      End: () => player.seek(player.duration_ms),
      "<": () => this.#faster(-1),
      ">": () => this.#faster(1),
      s: () => byId("skip").click(),
      f: () => this.#toggleFull(),
    }[event.key];
    const elsewhere = event.target instanceof HTMLSelectElement || event.target instanceof HTMLButtonElement;
    const onButton = elsewhere || event.target === byId("skip");
    if (!ours || event.ctrlKey || event.metaKey || event.altKey || (onButton && [" ", "Home", "End"].includes(event.key))) {
      return;
    }
    event.preventDefault();
    ours();
  }

  #faster(by) {
    const speed = byId("speed");
    const next = speed.selectedIndex + by;
    if (next >= 0 && next < speed.options.length) {
      speed.selectedIndex = next;
      this.#player.speed = Number(speed.value);
    }
  }

  #draw() {
    const { playing, busy } = this.#player;
    byId("play-icon").setAttribute("d", playing ? PAUSE_PATH : PLAY_PATH);
    byId("play").setAttribute("aria-label", playing ? t("Pause") : t("Play"));
    byId("stage").classList.toggle("waits", busy);
    document.body.classList.toggle("paused", !playing);
    if (!busy) {
      byId("veil").hidden = true;
    }
    if (playing !== this.#wasPlaying) {
      this.#wasPlaying = playing;
      setText(byId("announce"), playing ? t("Playing") : t("Paused at {time}", { time: spokenLength(this.#player.position_ms) }));
    }
    this.#drawTime();
    this.#drawDimensions();
  }

  #drawTime() {
    const at_ms = this.#player.position_ms;
    setText(byId("position"), lengthText(at_ms));
    const seek = byId("seek");
    seek.value = at_ms;
    seek.setAttribute("aria-valuetext", t("{time} of {whole}", {
      time: spokenLength(at_ms),
      whole: spokenLength(this.#player.duration_ms),
    }));
    byId("damaged").hidden = !isDamagedAt(this.#damage, at_ms);
    if (!Number.isNaN(this.#startedAt)) {
      setText(byId("clock"), momentText(this.#startedAt + at_ms));
    }
  }

  #drawDimensions() {
    const size = this.#screen.dimensions;
    setText(byId("dimensions"), size ? `${size.width} × ${size.height}` : "");
  }
}

if (name) {
  offerWayBack();
}
try {
  const answer = await ask(PATH);
  new ReplayPage(await answer.json());
} catch (fault) {
  const lost = fault instanceof TypeError;
  say("stop", t("The recording can’t be opened"), lost ? t("vncproxy doesn’t answer.") : fault.message);
}
