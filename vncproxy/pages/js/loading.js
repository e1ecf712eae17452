/**
 * What a page does before its script is there. A console's page that came with its admission opens
 * the screen's WebSocket: `admission.js` takes it over. And a page is loaded anew whose script or
 * styles couldn't be had, as when the daemon was exchanged for another version in the middle of the
 * loading. A plain script at a lasting address, before all others: it must be there when they aren't.
 */

(() => {
  const given = document.querySelector('meta[name="admission"]')?.content;
  if (!given) {
    return;
  }
  const address = new URL(JSON.parse(given).stream, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const stream = new WebSocket(address, ["binary"]);
  const came = [];
  stream.binaryType = "arraybuffer";
  stream.onmessage = (event) => came.push(event);
  globalThis.vncproxyStream = { stream, came, end: null };
  stream.addEventListener("close", ({ code, reason }) => {
    globalThis.vncproxyStream.end = { code, reason };
  });
})();

(() => {
  const TRIES = "vncproxy-loading";
  const MOST_TRIES = 4;
  const FIRST_PAUSE_MS = 1_000;
  const ASK_TIMEOUT_MS = 5_000;
  const BASE_PATH = document.querySelector('meta[name="base-path"]').content;

  /** As in texts.js, which may be what is missing. @param {string} text */
  const t = (text) => globalThis.vncproxyTexts?.messages[text] ?? text;

  let failed = false;

  function pause(ms) {
    return new Promise((done) => {
      setTimeout(done, ms * (0.5 + Math.random()));
    });
  }

  async function answers() {
    try {
      return (await fetch(`${BASE_PATH}/healthz`, { cache: "no-store", signal: AbortSignal.timeout(ASK_TIMEOUT_MS) })).ok;
    } catch {
      return false;
    }
  }

  function giveUp() {
    const [card, title, text, button] = ["main", "h2", "p", "button"].map((name) => document.createElement(name));
    title.textContent = t("This page can’t be loaded whole");
    text.textContent = t("Files of it are missing. Load it anew; if that doesn’t help, vncproxy has to be installed again.");
    button.textContent = t("Load it anew");
    button.className = "primary";
    button.addEventListener("click", () => location.reload());
    card.className = "card message";
    card.setAttribute("role", "alert");
    // The styles may be among what is missing.
    card.style.margin = "15vh auto";
    card.append(title, text, button);
    document.body.className = "";
    document.body.replaceChildren(card);
  }

  async function again() {
    if (failed) {
      return;
    }
    failed = true;
    const tries = Number(sessionStorage.getItem(TRIES));
    if (tries >= MOST_TRIES) {
      sessionStorage.removeItem(TRIES);
      giveUp();
      return;
    }
    sessionStorage.setItem(TRIES, tries + 1);
    await pause(FIRST_PAUSE_MS * 2 ** tries);
    while (!(await answers())) {
      await pause(FIRST_PAUSE_MS);
    }
    location.reload();
  }

  addEventListener(
    "error",
    ({ target }) => {
      if (target instanceof HTMLScriptElement || target instanceof HTMLLinkElement) {
        again();
      }
    },
    true,
  );
  addEventListener("load", () => {
    if (!failed) {
      sessionStorage.removeItem(TRIES);
    }
  });
})();
