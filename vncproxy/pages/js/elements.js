/** Finds and makes elements of the page. */

import { SURE_MS, Twice } from "./twice.js";

/** The element with this id; a missing one is a fault of the page. @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) {
    throw new Error(`the page has no #${id}`);
  }
  return found;
}

/**
 * A new element. Text is set as text, never as HTML.
 * @param {string} tag
 * @param {Record<string, unknown>} [traits] `class`, `text`, `on` (event handlers), else attributes;
 *   a value of false, null or undefined leaves the attribute out
 * @param {...(Node|null|undefined|false)} children
 */
export function element(tag, traits = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(traits)) {
    if (value === false || value === null || value === undefined) {
      continue;
    }
    if (name === "class") {
      made.className = String(value);
    } else if (name === "text") {
      made.textContent = String(value);
    } else if (name === "on") {
      for (const [event, handler] of Object.entries(value)) {
        made.addEventListener(event, handler);
      }
    } else {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter(Boolean));
  return made;
}

/** Set an element's text only if it changed, so that screen readers don't repeat it. */
export function setText(target, text) {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

/**
 * A button that stays down until it is pressed again.
 * @param {HTMLButtonElement} button
 * @param {(on: boolean) => void} changed
 */
export function onToggle(button, changed) {
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    changed(on);
  });
}

/**
 * A button of what does harm: a press asks, a second one goes, as `Twice` says; the question lasts SURE_MS.
 * @param {HTMLButtonElement} button
 * @param {(asks: boolean) => void} show the question, or no longer
 * @param {() => void} go
 */
export function onSecondPress(button, show, go) {
  const twice = new Twice(() => performance.now());
  let timer = 0;
  button.addEventListener("click", () => {
    const next = twice.press();
    if (next === "wait") {
      return;
    }
    clearTimeout(timer);
    show(next === "ask");
    if (next === "ask") {
      timer = setTimeout(show, SURE_MS, false);
    } else {
      go();
    }
  });
}

/** Make the children of `holder` these nodes, in this order, moving none that is in its place. */
export function arrange(holder, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...holder.children]) {
    if (!wanted.has(child)) {
      child.remove();
    }
  }
  nodes.forEach((node, at) => {
    if (holder.children[at] !== node) {
      holder.insertBefore(node, holder.children[at] ?? null);
    }
  });
}
