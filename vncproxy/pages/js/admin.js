/** For administrators: what is open, with the means to end it; past sessions; recordings. */

import { offerLogOut, showAccount } from "./account.js";
import { consolesPath, viewerPath } from "./addresses.js";
import { call } from "./api.js";
import { below } from "./basepath.js";
import { ConsoleCards } from "./consolecards.js";
import { consoleView, endConsoleWords, endViewerWords, summary } from "./consoleview.js";
import { byId, element, setText } from "./elements.js";
import { loginCard } from "./login.js";
import { PastList, RECORDINGS, SESSIONS } from "./pastlist.js";
import { BETWEEN, t, timeOfDay, together } from "./texts.js";
import { refusalWords, sentence, wantsLogin } from "./words.js";

const REFRESH_INTERVAL_MS = 3_000;

/** How often it is asked whether this is an administrator still, and who it is. */
const RIGHTS_INTERVAL_MS = 60_000;

const content = byId("content");
const list = element("div", { class: "open-consoles" });
const cards = new ConsoleCards(list, { endConsole, endViewer });

const HEADINGS = { open: t("Open consoles"), past: t("Past sessions"), recordings: t("Recordings") };
const worked = () => tell("");
const pasts = { past: new PastList(SESSIONS, failed, worked), recordings: new PastList(RECORDINGS, failed, worked) };

/** What the page shows: "open", "past", "recordings", "login", "refused", or "" at first. */
let shown = "";
let rightsAt_ms = -Infinity;
let answeredAt = null;
let timer = 0;
let busy = false;
/** Whether something else was asked for while it was busy. */
let again = false;

/** Which list the address asks for. */
function tabOf() {
  const name = location.hash.slice(1);
  return Object.hasOwn(HEADINGS, name) ? name : "open";
}

function showTab(tab) {
  byId("tabs").hidden = false;
  for (const link of byId("tabs").children) {
    if (link.hash === `#${tab}`) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  setText(byId("heading"), HEADINGS[tab]);
}

function show(name, nodes) {
  if (shown !== name) {
    pasts[shown]?.leave();
    shown = name;
    content.replaceChildren(...nodes());
  }
}

function tell(title, text = "") {
  const banner = byId("banner");
  const key = title && `${title}. ${text}`;
  if (banner.dataset.said !== key) {
    banner.dataset.said = key;
    banner.replaceChildren(
      ...(title ? [element("strong", { text: sentence(title) + BETWEEN }), document.createTextNode(text)] : []),
    );
  }
  banner.hidden = !title;
}

function showLogin(word) {
  showAccount(null);
  byId("tabs").hidden = true;
  setText(byId("lead"), "");
  const why = t("This page is for administrators of this vncproxy.");
  show("login", () => [loginCard(why, refreshAll, word)]);
}

function showRefused() {
  byId("tabs").hidden = true;
  setText(byId("lead"), "");
  show("refused", () => [
    element(
      "section",
      { class: "card" },
      element("h2", { text: t("This page is for administrators") }),
      element("p", { text: t("No rule makes you the administrator of an instance. What you may open, and who is on it, the list of instances shows.") }),
      element("p", {}, element("a", { class: "button", href: below("/"), text: t("All instances") })),
    ),
  ]);
}

const NOTHING = element("p", { class: "card nothing", text: t("No console is open. As soon as somebody opens one, it is here.") });

function showConsoles(rows) {
  const views = rows.filter(({ role }) => role === "admin").map(consoleView);
  setText(byId("lead"), views.length ? summary(views) : "");
  const hadFocus = list.contains(document.activeElement);
  cards.update(views);
  NOTHING.hidden = views.length > 0;
  if (hadFocus && !list.contains(document.activeElement)) {
    // What the keyboard was on is gone: from here on it goes on below the heading.
    byId("heading").focus({ preventScroll: true });
  }
  show("open", () => [NOTHING, list]);
}

async function askRights() {
  const answer = await call("GET", "/api/v1/instances");
  rightsAt_ms = performance.now();
  showAccount(answer);
  return answer?.administrator === true;
}

async function ask() {
  if (performance.now() - rightsAt_ms > RIGHTS_INTERVAL_MS && !(await askRights())) {
    rightsAt_ms = -Infinity;
    showRefused();
    tell("");
    return;
  }
  const tab = tabOf();
  showTab(tab);
  if (tab === "open") {
    const answer = await call("GET", "/api/v1/consoles");
    answeredAt = new Date();
    showConsoles(answer?.consoles ?? []);
  } else {
    await pasts[tab].load();
    show(tab, () => [pasts[tab].root]);
  }
  content.classList.remove("stale");
  tell("");
}

function failed(error) {
  if (wantsLogin(error)) {
    rightsAt_ms = -Infinity;
    showLogin(error.word);
    tell("");
    return;
  }
  const { title, text } = refusalWords(error);
  const stale = shown === "open" && answeredAt && t("What is shown below is from {time}.", { time: timeOfDay(answeredAt) });
  if (!shown) {
    setText(byId("lead"), "");
  }
  content.classList.toggle("stale", shown === "open");
  tell(title, together([text, tabOf() === "open" && t("This page asks again by itself."), stale]));
}

async function refresh() {
  clearTimeout(timer);
  if (busy || document.hidden) {
    again = busy;
    return;
  }
  busy = true;
  try {
    await ask();
  } catch (error) {
    failed(error);
  } finally {
    busy = false;
    if (again) {
      again = false;
      refresh();
    } else if (!document.hidden && tabOf() === "open" && shown !== "login" && shown !== "refused") {
      timer = setTimeout(refresh, REFRESH_INTERVAL_MS);
    }
  }
}

function refreshAll() {
  rightsAt_ms = -Infinity;
  return refresh();
}

// Ending

let confirmed = null;

function confirm(words, path) {
  setText(byId("end-title"), words.title);
  setText(byId("end-text"), words.text);
  setText(byId("end-hint"), words.hint);
  setText(byId("end-go"), words.button);
  byId("end-go").disabled = false;
  confirmed = { words, path };
  setText(byId("said"), "");
  byId("end-dialog").showModal();
  // A Return too many must not end anything.
  byId("end-cancel").focus();
}

function endConsole(view) {
  confirm(endConsoleWords(view), consolesPath(view));
}

function endViewer(view, viewer) {
  confirm(endViewerWords(view, viewer), viewerPath(view, viewer));
}

async function carryOut({ words, path }) {
  byId("end-go").disabled = true;
  let said = words.done;
  let problem = null;
  try {
    await call("DELETE", path);
  } catch (error) {
    if (error.status === 404) {
      said = words.gone;
    } else {
      problem = error;
    }
  }
  byId("end-dialog").close();
  await refresh();
  if (problem) {
    const { title, text } = refusalWords(problem);
    said = together([t("Nothing was ended."), sentence(title), text]);
  }
  setText(byId("said"), said);
}

byId("end-go").addEventListener("click", () => carryOut(confirmed));
byId("end-cancel").addEventListener("click", () => byId("end-dialog").close());
offerLogOut(refreshAll, failed);
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  // What is past changes little: whoever comes back finds the list as it was left.
  if (!document.hidden && (shown !== tabOf() || shown === "open")) {
    refresh();
  }
});
window.addEventListener("hashchange", () => {
  setText(byId("said"), "");
  setText(byId("lead"), "");
  byId("heading").focus({ preventScroll: true });
  refresh();
});
refresh();
