/** The list of instances: what may be opened, its state, who is on it. */

import { offerLogOut, showAccount } from "./account.js";
import { call } from "./api.js";
import { cloudErrorText } from "./clouderrors.js";
import { byId, element, setText } from "./elements.js";
import { asksUsers, loginCard } from "./login.js";
import { namesOf } from "./people.js";
import { counted, placeOf, refusalWords, titleOf, wantsLogin } from "./words.js";

const REFRESH_INTERVAL_MS = 15_000;

const STATUS_TONE = { Running: "good", Starting: "warn", Stopping: "warn", Pending: "warn" };

const EXAMPLE = `[[instance]]
alias = "web-1"
id = "i-bp1xxxxxxxxxxxxxxxxx"
region = "cn-hangzhou"`;

/** States in which there is no console: opening one only makes sense for who is about to start it. */
const WITHOUT_CONSOLE = new Set(["Stopped", "Stopping"]);

let shown = "";

/** Put `nodes` on the page unless what they show is there already, so that focus isn't lost. */
function show(key, nodes) {
  if (key !== shown) {
    shown = key;
    byId("content").replaceChildren(...nodes());
  }
}

/** How long a button that ends a session waits to be pressed again. */
const SURE_MS = 4_000;

/** A button that ends somebody's session, once it was pressed twice. */
function endButton(instance, viewer, name) {
  const button = element("button", {
    class: "quiet end",
    type: "button",
    text: "End",
    "aria-label": `End the session of ${name} on ${titleOf(instance)}`,
  });
  let asked = false;
  button.addEventListener("click", async () => {
    if (!asked) {
      asked = true;
      button.textContent = "Really end?";
      setTimeout(() => {
        asked = false;
        button.textContent = "End";
      }, SURE_MS);
      return;
    }
    button.disabled = true;
    let problem = null;
    try {
      // By the name that opens it: a proxy before several daemons goes by that.
      const path = `/api/v1/consoles/${encodeURIComponent(instance.alias || instance.id)}/viewers`;
      await call("DELETE", `${path}/${encodeURIComponent(viewer.id)}`);
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
  });
  return button;
}

/** What an administrator sees: each session on a line, with the means to end it. */
function sessions(instance) {
  const names = namesOf(instance.viewers);
  const lines = instance.viewers.map((viewer) => {
    const name = names.get(viewer.id);
    const how = viewer.role === "control" ? "" : " (watching)";
    return element(
      "div",
      { class: "session" },
      element("span", { text: `On: ${name}${how}, from ${viewer.from}` }),
      endButton(instance, viewer, name),
    );
  });
  return element("div", { class: "who" }, ...lines);
}

function whoIsOn(instance) {
  const { viewers, role } = instance;
  if (!viewers?.length) {
    return element("span", { class: "who nobody", text: "Nobody is on" });
  }
  if (role === "admin") {
    return sessions(instance);
  }
  const names = viewers.map(({ user, role }) => (role === "control" ? user : `${user} (watching)`));
  return element("span", { class: "who", text: `On: ${names.join(", ")}` });
}

function row(instance) {
  const { alias, id, status } = instance;
  const name = titleOf(instance);
  return element(
    "li",
    { class: "instance" },
    element(
      "div",
      { class: "instance-name" },
      element("h2", { text: name }),
      element("p", { class: "place" }, element("code", { text: placeOf(instance) })),
    ),
    element(
      "div",
      { class: "instance-state" },
      element("span", { class: `pill ${STATUS_TONE[status] ?? "calm"}`, text: status || "Status unknown" }),
      whoIsOn(instance),
    ),
    element("a", {
      class: WITHOUT_CONSOLE.has(status) ? "button" : "button primary",
      href: `/console/${encodeURIComponent(alias || id)}`,
      target: "_blank",
      rel: "noopener",
      text: "Open",
      "aria-label": `Open the console of ${name} in a new tab`,
    }),
  );
}

/** What may be opened at other times only. */
function laterCard(later) {
  return element(
    "section",
    { class: "card" },
    element("h2", { text: "Not at this time" }),
    ...later.map((one) => element("p", {}, element("strong", { text: titleOf(one) }), `: only ${one.only}`)),
  );
}

/** For whoever can't change that. */
function nothingForYou(user) {
  return element(
    "section",
    { class: "card empty" },
    element("h2", { text: "Nothing for you to open yet" }),
    element("p", { text: "There is no instance here that a rule lets you open. Ask whoever runs this vncproxy." }),
    user && element("p", {}, "You are known here as ", element("strong", { text: user }), "."),
  );
}

/** For whoever can. */
function nothingYet() {
  return element(
    "section",
    { class: "card empty" },
    element("h2", { text: "No instance to open yet" }),
    element("p", { text: "Name your instances in vncproxy’s configuration, one block for each:" }),
    element("pre", {}, element("code", { text: EXAMPLE })),
    element(
      "p",
      {},
      "Then reload it: ",
      element("code", { text: "systemctl reload vncproxy" }),
      ", or a SIGHUP. With ",
      element("code", { text: "discover = true" }),
      " under ",
      element("code", { text: "[aliyun]" }),
      " it lists every instance that the account shows.",
    ),
  );
}

function showInstances(answer) {
  const instances = Array.isArray(answer) ? answer : (answer?.instances ?? []);
  const later = answer?.later ?? [];
  const count = instances.length;
  setText(byId("lead"), count ? `${counted(count, "instance")} you may open` : "");
  show(JSON.stringify([instances, later, answer?.administrator, answer?.user]), () => [
    ...(count ? [element("ul", { class: "instances" }, ...instances.map(row))] : []),
    ...(later.length ? [laterCard(later)] : []),
    ...(count || later.length ? [] : [answer?.administrator ? nothingYet() : nothingForYou(answer?.user)]),
  ]);
  showAccount(answer ?? {});
  byId("admin-link").hidden = !answer?.administrator;
}

function showLogin(word) {
  setText(byId("lead"), "");
  showAccount(null);
  byId("admin-link").hidden = true;
  const why = asksUsers(word)
    ? "Then you see what you may open."
    : "Whoever has the access token may open the consoles listed here.";
  show("login", () => [loginCard(why, refresh, word)]);
}

function tell(title, text) {
  const banner = byId("banner");
  banner.hidden = !title;
  banner.replaceChildren(
    ...(title ? [element("strong", { text: `${title}. ` }), document.createTextNode(text)] : []),
  );
}

async function refresh() {
  try {
    const answer = await call("GET", "/api/v1/instances");
    showInstances(answer);
    const problem = answer?.problem;
    tell(
      problem ? "The cloud couldn’t be asked" : "",
      problem && cloudErrorText(problem),
    );
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
    tell(title, `${text} This page asks again by itself.`);
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
