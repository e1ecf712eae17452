/**
 * Loads a page anew whose scripts or styles couldn't be had, as when the daemon was exchanged for
 * another version in the middle of the loading. A plain script at a lasting address, before all
 * others: it must be there when they aren't.
 */

(() => {
  const TRIES = "vncproxy-loading";
  const MOST_TRIES = 4;
  const FIRST_PAUSE_MS = 1_000;
  const ASK_TIMEOUT_MS = 5_000;

  let failed = false;

  function pause(ms) {
    return new Promise((done) => {
      setTimeout(done, ms * (0.5 + Math.random()));
    });
  }

  async function answers() {
    try {
      return (await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(ASK_TIMEOUT_MS) })).ok;
    } catch {
      return false;
    }
  }

  function giveUp() {
    const said = document.createElement("p");
    said.className = "card message";
    said.setAttribute("role", "alert");
    said.textContent =
      "This page could not be loaded whole. Load it anew; if that doesn’t help, vncproxy’s installation lacks files.";
    document.body.prepend(said);
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
