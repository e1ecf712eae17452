/**
 * Exchanges the single-use ticket in the address for a log-in cookie, then goes on.
 *
 * The ticket leaves the address bar and the history before anything else happens.
 */

import { safeNext } from "./addresses.js";
import { call } from "./api.js";
import { below } from "./basepath.js";
import { byId, element } from "./elements.js";
import { languageSwitch } from "./languageswitch.js";
import { t, tParts, together } from "./texts.js";
import { refusalWords } from "./words.js";

/** How many links this tab was given: only what became of the last one counts. */
let turn = 0;

function takeTicket() {
  const ticket = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  return ticket;
}

function tellWaiting() {
  document.title = t("Opening… · vncproxy");
  byId("title").textContent = t("Opening the console");
  byId("text").replaceChildren(t("Your ticket is being exchanged for a log-in."));
  byId("spinner").hidden = false;
  byId("actions").replaceChildren();
}

/**
 * @param {string} title @param {(Node|string)[]} text @param {HTMLElement[]} actions
 * @param {string} [ticket] one that isn't used yet: the page in another language has to have it, too
 */
function tell(title, text, actions, ticket = "") {
  const giveOn = () => ticket && history.replaceState(null, "", `${location.pathname}#${encodeURIComponent(ticket)}`);
  document.title = `${title} · vncproxy`;
  byId("title").textContent = title;
  byId("text").replaceChildren(...text);
  byId("spinner").hidden = true;
  byId("actions").replaceChildren(...actions, languageSwitch("quiet", giveOn));
}

function tellUnusable() {
  tell(
    t("This link can’t be used any more"),
    tParts("A link works once and for 60 seconds. Ask for a new one with {command} and open it right away.", {
      command: element("code", { text: "vncproxy url INSTANCE" }),
    }),
    [element("a", { class: "button", href: below("/"), text: t("All instances") })],
  );
}

/** What is asked before a link is followed that may be somebody else's. */
const QUESTIONS = {
  "other-user": {
    title: t("Somebody else’s link"),
    text: t("Go on only if you expected that."),
    stay: t("Stay logged in"),
  },
  "whose-link": {
    title: t("Is this your link?"),
    text: t("Go on only if that is you: what you do will be recorded under this name."),
    stay: t("Don’t log in"),
  },
};

/** A link may come from somebody who wants others to act in that name: so it isn't followed blindly. */
function askWhetherMeant(ticket, error) {
  const { title, text, stay } = QUESTIONS[error.word];
  const goOn = element("button", { type: "button", text: t("Log in by the link") });
  goOn.addEventListener("click", () => exchange(ticket, true));
  tell(title, [together([error.text, text])], [element("a", { class: "button primary", href: below("/"), text: stay }), goOn], ticket);
}

async function exchange(ticket, replace = false) {
  turn += 1;
  const mine = turn;
  tellWaiting();
  try {
    const answer = await call("POST", "/api/v1/session", replace ? { ticket, replace } : { ticket });
    if (mine === turn) {
      location.replace(safeNext(answer?.next));
    }
  } catch (error) {
    if (mine !== turn) {
      return;
    }
    if (error.word in QUESTIONS) {
      askWhetherMeant(ticket, error);
      return;
    }
    if ([400, 401, 404, 410].includes(error.status)) {
      tellUnusable();
      return;
    }
    const { title, text } = refusalWords(error);
    const again = element("button", { class: "primary", type: "button", text: t("Try again") });
    again.addEventListener("click", () => exchange(ticket));
    tell(title, [text], [again], ticket);
  }
}

function start() {
  let ticket = "";
  try {
    ticket = takeTicket();
  } catch {
    history.replaceState(null, "", location.pathname);
  }
  if (ticket) {
    exchange(ticket);
  } else {
    tellUnusable();
  }
}

// Another link put into the address bar of this tab loads nothing: only the fragment changes.
window.addEventListener("hashchange", start);
start();
