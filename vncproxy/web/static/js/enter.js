/**
 * Exchanges the single-use ticket in the address for a log-in cookie, then goes on.
 *
 * The ticket leaves the address bar and the history before anything else happens.
 */

import { safeNext } from "./addresses.js";
import { call } from "./api.js";
import { byId, element } from "./elements.js";
import { refusalWords } from "./words.js";

function takeTicket() {
  const ticket = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  return ticket;
}

function tell(title, text, actions) {
  document.title = `${title} · vncproxy`;
  byId("title").textContent = title;
  byId("text").replaceChildren(...text);
  byId("spinner").hidden = true;
  byId("actions").replaceChildren(...actions);
}

function tellUnusable() {
  tell(
    "This link can’t be used any more",
    [
      "A link works once and for 60 seconds. Ask for a new one with ",
      element("code", { text: "vncproxy url INSTANCE" }),
      " and open it right away.",
    ],
    [element("a", { class: "button", href: "/", text: "All instances" })],
  );
}

async function exchange(ticket) {
  try {
    const answer = await call("POST", "/api/v1/session", { ticket });
    location.replace(safeNext(answer?.next));
  } catch (error) {
    if ([400, 401, 404, 410].includes(error.status)) {
      tellUnusable();
      return;
    }
    const { title, text } = refusalWords(error);
    const again = element("button", { class: "primary", type: "button", text: "Try again" });
    again.addEventListener("click", () => {
      byId("spinner").hidden = false;
      byId("actions").replaceChildren();
      exchange(ticket);
    });
    tell(title, [text], [again]);
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

start();
