/** The list of instances: what may be opened, its state, who is on it; found by words and filters. */

import { offerLogOut, showAccount } from "./account.js";
import { consolePath, viewerPath } from "./addresses.js";
import { call } from "./api.js";
import { cloudErrorText } from "./clouderrors.js";
import { byId, element, setText } from "./elements.js";
import { Finder } from "./finding.js";
import { instanceRow } from "./instancerow.js";
import { asksUsers, loginCard } from "./login.js";
import { openLook } from "./look.js";
import { openPower } from "./power.js";
import { like, memory } from "./remembered.js";
import { Rows } from "./virtuallist.js";
import { BETWEEN, number, t, tParts, tn, together } from "./texts.js";
import { Thumbnails } from "./thumbnails.js";
import { refusalWords, sentence, statusName, titleOf, wantsLogin } from "./words.js";

const REFRESH_INTERVAL_MS = 15_000;

/** Fewer are seen at a glance. */
const FINDER_FROM = 2;

const STATUS_NAMES = { missing: t("Unknown to the cloud"), unknown: t("Status unknown") };

const EXAMPLE = `[[instance]]
alias = "web-1"
id = "i-bp1xxxxxxxxxxxxxxxxx"
region = "cn-hangzhou"`;

let shown = "";

/** Put `nodes` on the page unless what they show is there already, so that focus isn't lost. */
function show(key, nodes) {
  if (key !== shown) {
    shown = key;
    byId("content").replaceChildren(...nodes());
  }
}

async function endSession(instance, viewer, button) {
  let problem = null;
  try {
    await call("DELETE", viewerPath(instance, viewer));
  } catch (error) {
    problem = error;
  }
  await refresh();
  // Gone already is what was wanted.
  if (problem && problem.status !== 404) {
    button.disabled = false;
    const { title, text } = refusalWords(problem);
    tell(title, text);
  }
}

// The list itself.

const finder = new Finder();
const list = element("ul", { class: "instances" });
const none = element(
  "section",
  { class: "card empty" },
  element("h2", { text: t("Nothing like that") }),
  element("p", { text: t("No instance that you may open has these words and filters.") }),
  element("div", { class: "actions" }, element("button", { type: "button", text: t("Show all"), on: { click: showAll } })),
);
const thumbnails = new Thumbnails(openLook);
const rows = new Rows(list, (item) =>
  instanceRow(item, {
    like: likeIt,
    end: endSession,
    look: openLook,
    power: (instance) => openPower(instance, titleOf(instance), { changed: refresh }),
    picture: (instance) => pictured && thumbnails.of(instance),
  }));
let count = 0;
let pictured = false;

function filters() {
  return {
    words: byId("find-words").value,
    region: byId("find-region").value,
    status: byId("find-status").value,
    open: byId("find-open").checked,
  };
}

function likeIt(id, is) {
  like(id, is);
  draw();
}

function showAll() {
  byId("finder").reset();
  draw();
  byId("find-words").focus();
}

/** Show what the words and filters leave. */
function draw() {
  const known = memory();
  const chosen = filters();
  const found = finder.found(chosen, known);
  const liked = new Set(known.favourites);
  const searches = chosen.words.trim() !== "";
  const all = tn(count, "{count} instance you may open", "{count} instances you may open");
  const some = tn(count, "{found} of {count} instance", "{found} of {count} instances", { found: number(found.length) });
  setText(byId("lead"), count === 0 ? "" : found.length === count ? all : some);
  list.hidden = found.length === 0;
  none.hidden = found.length > 0;
  rows.items = found.map((instance, at) => {
    const item = { instance, liked: liked.has(instance.id), first: searches && at === 0 };
    return { ...item, key: instance.id, shows: () => JSON.stringify([item, pictured]) };
  });
}

function offer(select, any, values, name) {
  const chosen = select.value;
  const shown = [...select.options].map(({ value }) => value).join("\n");
  if (shown !== ["", ...values].join("\n")) {
    select.replaceChildren(
      element("option", { value: "", text: any }),
      ...values.map((value) => element("option", { value, text: name(value) })),
    );
    select.value = values.includes(chosen) ? chosen : "";
  }
  select.hidden = values.length < 2;
}

function offerFilters() {
  const is = count >= FINDER_FROM;
  byId("finder").hidden = !is;
  if (!is) {
    byId("finder").reset();
  }
  offer(byId("find-region"), t("All regions"), finder.regions, (region) => region);
  offer(byId("find-status"), t("All states"), finder.statuses, (status) => STATUS_NAMES[status] ?? statusName(status));
}

for (const id of ["find-words", "find-region", "find-status", "find-open"]) {
  byId(id).addEventListener("input", () => {
    draw();
    // What fits best is at the top.
    scrollTo({ top: 0 });
  });
}
byId("finder").addEventListener("submit", (event) => {
  event.preventDefault();
  const [first] = finder.found(filters(), memory());
  if (first) {
    open(consolePath(first), "_blank", "noopener");
  }
});
byId("find-words").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.preventDefault();
    event.target.value = "";
    event.target.blur();
    draw();
  }
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.altKey && !event.metaKey && !byId("finder").hidden) {
    event.preventDefault();
    byId("find-words").select();
  }
});
// Opened in another tab: what was used last is another.
addEventListener("storage", () => draw());

/** What may be opened at other times only. */
function laterCard(later) {
  return element(
    "section",
    { class: "card" },
    element("h2", { text: t("Not at this time") }),
    ...later.map((one) => element("p", {}, ...tParts("{name}: only {hours}", { name: element("strong", { text: titleOf(one) }), hours: one.only }))),
    element("p", { text: t("Hours are the bastion’s ({zone}).", { zone: later[0].zone }) }),
  );
}

/** For whoever can't change that. */
function nothingForYou(user) {
  return element(
    "section",
    { class: "card empty" },
    element("h2", { text: t("Nothing for you to open yet") }),
    element("p", { text: t("There is no instance here that a rule lets you open. Ask the administrator of this vncproxy.") }),
    user && element("p", {}, ...tParts("You are known here as {user}.", { user: element("strong", { text: user }) })),
  );
}

/** For whoever can. */
function nothingYet() {
  return element(
    "section",
    { class: "card empty" },
    element("h2", { text: t("No instance to open yet") }),
    element("p", { text: t("Name your instances in vncproxy’s configuration, one block for each:") }),
    element("pre", {}, element("code", { text: EXAMPLE })),
    element(
      "p",
      {},
      ...tParts(
        "Then reload it: {command}, or a SIGHUP. With {discover} under {section} it lists every instance that the account shows.",
        {
          command: element("code", { text: "systemctl reload vncproxy" }),
          discover: element("code", { text: "discover = true" }),
          section: element("code", { text: "[aliyun]" }),
        },
      ),
    ),
  );
}

function showInstances(answer) {
  const instances = Array.isArray(answer) ? answer : (answer?.instances ?? []);
  const later = answer?.later ?? [];
  count = instances.length;
  pictured = answer?.thumbnails === true;
  list.classList.toggle("pictured", pictured);
  finder.instances = instances;
  show(JSON.stringify([count > 0, later, answer?.administrator, answer?.user]), () => [
    ...(count ? [list, none] : []),
    ...(later.length ? [laterCard(later)] : []),
    ...(count || later.length ? [] : [answer?.administrator ? nothingYet() : nothingForYou(answer?.user)]),
  ]);
  offerFilters();
  draw();
  thumbnails.renew(instances);
  showAccount(answer ?? {});
  byId("admin-link").hidden = !answer?.administrator;
}

function showLogin(word) {
  count = 0;
  finder.instances = [];
  offerFilters();
  setText(byId("lead"), "");
  showAccount(null);
  byId("admin-link").hidden = true;
  const why = asksUsers(word)
    ? t("Then you see what you may open.")
    : t("Everybody who has the access token may open the consoles listed here.");
  show("login", () => [loginCard(why, refresh, word)]);
}

function tell(title, text) {
  const banner = byId("banner");
  banner.hidden = !title;
  banner.replaceChildren(
    ...(title ? [element("strong", { text: sentence(title) + BETWEEN }), document.createTextNode(text)] : []),
  );
}

async function refresh() {
  try {
    const answer = await call("GET", "/api/v1/instances");
    showInstances(answer);
    const problem = answer?.problem;
    tell(problem ? t("The cloud couldn’t be asked") : "", problem && cloudErrorText(problem));
  } catch (error) {
    if (wantsLogin(error)) {
      showLogin(error.word);
      tell("");
      return;
    }
    const { title, text } = refusalWords(error);
    if (!shown) {
      setText(byId("lead"), "");
    }
    tell(title, together([text, t("This page asks again by itself.")]));
  }
}

offerLogOut(refresh, (error) => {
  const { title, text } = refusalWords(error);
  tell(title, text);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    refresh();
  }
});
setInterval(() => {
  if (!document.hidden && shown !== "login") {
    refresh();
  }
}, REFRESH_INTERVAL_MS);
refresh();
