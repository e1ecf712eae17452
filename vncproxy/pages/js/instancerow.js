/** A row of the list: what an instance is called, its state, who is on it, and the way to it. */

import { consolePath } from "./addresses.js";
import { element, onSecondPress, setText } from "./elements.js";
import { namesOf } from "./people.js";
import { enumerated, t } from "./texts.js";
import { PLACE_JOINT, placeOf, statusName, titleOf } from "./words.js";

const STATUS_TONE = { Running: "good", Starting: "warn", Stopping: "warn", Pending: "warn" };

/** States in which there is no console: opening one only makes sense for who is about to start it. */
const WITHOUT_CONSOLE = new Set(["Stopped", "Stopping"]);

/** A button that ends somebody's session, once it was pressed twice. */
function endButton(instance, viewer, name, end) {
  const button = element("button", {
    class: "quiet end",
    type: "button",
    text: t("End"),
    "data-part": `end-${viewer.id}`,
    "aria-label": t("End the session of {name} on {title}", { name, title: titleOf(instance) }),
  });
  const show = (asks) => setText(button, asks ? t("Really end?") : t("End"));
  onSecondPress(button, show, () => {
    button.disabled = true;
    end(instance, viewer, button);
  });
  return button;
}

/** What an administrator sees: each session on a line, with the means to end it. */
function sessions(instance, end) {
  const names = namesOf(instance.viewers);
  const lines = instance.viewers.map((viewer) => {
    const name = names.get(viewer.id);
    const facts = { name, address: viewer.from };
    const text = viewer.role === "control"
      ? t("On: {name}, from {address}", facts)
      : t("On: {name} (watching), from {address}", facts);
    return element(
      "div",
      { class: "session" },
      element("span", { text }),
      endButton(instance, viewer, name, end),
    );
  });
  return element("div", { class: "who" }, ...lines);
}

function whoIsOn(instance, end) {
  const { viewers, role } = instance;
  if (!viewers?.length) {
    return element("span", { class: "who nobody", text: t("Nobody is on") });
  }
  if (role === "admin") {
    return sessions(instance, end);
  }
  const names = viewers.map(({ user, role }) => (role === "control" ? user : t("{name} (watching)", { name: user })));
  return element("span", { class: "who", text: t("On: {names}", { names: enumerated(names) }) });
}

/** Each part is broken off whole, as long as there is room for it. */
function place(instance) {
  return placeOf(instance)
    .split(PLACE_JOINT)
    .flatMap((part, at) => [at > 0 && PLACE_JOINT, element("span", { text: part })]);
}

function pill({ status, missing, region }) {
  if (missing) {
    const title = t(
      "DescribeInstances doesn’t show this id in {region}: it is wrong, released, or not for these credentials to see.",
      { region },
    );
    return element("span", { class: "pill bad", text: t("Unknown to the cloud"), title });
  }
  return element("span", { class: `pill ${STATUS_TONE[status] ?? "calm"}`, text: status ? statusName(status) : t("Status unknown") });
}

function star(instance, liked, like) {
  const name = titleOf(instance);
  return element("button", {
    class: "quiet star",
    type: "button",
    text: liked ? "★" : "☆",
    title: liked ? t("A favourite: shown first") : t("Show it first"),
    "data-part": "star",
    "aria-pressed": String(liked),
    "aria-label": t("Favourite: {name}", { name }),
    on: { click: () => like(instance.id, !liked) },
  });
}

/** What can be done with an instance besides opening it; nothing where the cloud doesn't know it. */
function acts(instance, { look, power }) {
  if (instance.missing) {
    return [];
  }
  const name = titleOf(instance);
  const lookButton = element("button", {
    type: "button",
    text: t("Look"),
    "data-part": "look",
    "aria-label": t("Look at {name} without opening its console", { name }),
    on: { click: () => look(instance) },
  });
  const powerButton = instance.power && element("button", {
    type: "button",
    text: t("Power"),
    "data-part": "power",
    "aria-label": t("Power: start, stop or restart {name}", { name }),
    on: { click: () => power(instance) },
  });
  return [powerButton, lookButton];
}

/**
 * @param {{instance: object, liked: boolean, first: boolean}} item first: Enter opens it
 * @param {{like: (id: string, is: boolean) => void,
 *   end: (instance: object, viewer: object, button: HTMLButtonElement) => void,
 *   look: (instance: object) => void, power: (instance: object) => void,
 *   picture: (instance: object) => HTMLElement|false}} hooks
 */
export function instanceRow({ instance, liked, first }, hooks) {
  const { like, end } = hooks;
  const { status, missing } = instance;
  const name = titleOf(instance);
  return element(
    "li",
    { class: first ? "instance first" : "instance" },
    star(instance, liked, like),
    hooks.picture(instance),
    element(
      "div",
      { class: "instance-name" },
      element("h2", { text: name }),
      element("p", { class: "place" }, element("code", {}, ...place(instance))),
    ),
    element("div", { class: "instance-state" }, pill(instance), whoIsOn(instance, end)),
    element(
      "div",
      { class: "instance-acts" },
      ...acts(instance, hooks),
      element("a", {
        class: missing || WITHOUT_CONSOLE.has(status) ? "button" : "button primary",
        href: consolePath(instance),
        target: "_blank",
        rel: "noopener",
        text: t("Open"),
        title: first ? t("Enter opens it, too") : false,
        "data-part": "open",
        "aria-label": t("Open the console of {name} in a new tab", { name }),
      }),
    ),
  );
}
