/** A row of the list: what an instance is called, its state, who is on it, and the way to it. */

import { consolePath } from "./addresses.js";
import { element, onSecondPress, setText } from "./elements.js";
import { namesOf } from "./people.js";
import { PLACE_JOINT, placeOf, titleOf } from "./words.js";

const STATUS_TONE = { Running: "good", Starting: "warn", Stopping: "warn", Pending: "warn" };

/** States in which there is no console: opening one only makes sense for who is about to start it. */
const WITHOUT_CONSOLE = new Set(["Stopped", "Stopping"]);

/** A button that ends somebody's session, once it was pressed twice. */
function endButton(instance, viewer, name, end) {
  const button = element("button", {
    class: "quiet end",
    type: "button",
    text: "End",
    "data-part": `end-${viewer.id}`,
    "aria-label": `End the session of ${name} on ${titleOf(instance)}`,
  });
  const show = (asks) => setText(button, asks ? "Really end?" : "End");
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
    const how = viewer.role === "control" ? "" : " (watching)";
    return element(
      "div",
      { class: "session" },
      element("span", { text: `On: ${name}${how}, from ${viewer.from}` }),
      endButton(instance, viewer, name, end),
    );
  });
  return element("div", { class: "who" }, ...lines);
}

function whoIsOn(instance, end) {
  const { viewers, role } = instance;
  if (!viewers?.length) {
    return element("span", { class: "who nobody", text: "Nobody is on" });
  }
  if (role === "admin") {
    return sessions(instance, end);
  }
  const names = viewers.map(({ user, role }) => (role === "control" ? user : `${user} (watching)`));
  return element("span", { class: "who", text: `On: ${names.join(", ")}` });
}

/** Each part is broken off whole, as long as there is room for it. */
function place(instance) {
  return placeOf(instance)
    .split(PLACE_JOINT)
    .flatMap((part, at) => [at > 0 && PLACE_JOINT, element("span", { text: part })]);
}

function pill({ status, missing, region }) {
  if (missing) {
    const title = `DescribeInstances doesn’t show this id in ${region}: it is wrong, released, or not for these credentials to see.`;
    return element("span", { class: "pill bad", text: "Unknown to the cloud", title });
  }
  return element("span", { class: `pill ${STATUS_TONE[status] ?? "calm"}`, text: status || "Status unknown" });
}

function star(instance, liked, like) {
  const name = titleOf(instance);
  return element("button", {
    class: "quiet star",
    type: "button",
    text: liked ? "★" : "☆",
    title: liked ? "A favourite: shown first" : "Show it first",
    "data-part": "star",
    "aria-pressed": String(liked),
    "aria-label": `Favourite: ${name}`,
    on: { click: () => like(instance.id, !liked) },
  });
}

/** What can be done with an instance besides opening it. */
function acts(instance, { look, power }) {
  const name = titleOf(instance);
  const lookButton = element("button", {
    type: "button",
    text: "Look",
    "data-part": "look",
    "aria-label": `Look at ${name} without opening its console`,
    on: { click: () => look(instance) },
  });
  const powerButton = instance.power && element("button", {
    type: "button",
    text: "Power",
    "data-part": "power",
    "aria-label": `Start, stop or restart ${name}`,
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
        text: "Open",
        title: first ? "Enter opens it, too" : false,
        "data-part": "open",
        "aria-label": `Open the console of ${name} in a new tab`,
      }),
    ),
  );
}
