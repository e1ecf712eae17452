/** Sends noVNC the key events that the browser keeps to itself; what they are is found by KeyState. */

import { KeyState, MODIFIER_NAMES } from "./unreportedreleases.js";

const LOCKS = ["CapsLock", "NumLock"];

function modifiersOf(event) {
  return new Set(MODIFIER_NAMES.filter((name) => event.getModifierState(name)));
}

/**
 * Watch all keys and the pointer of the page, before noVNC hears of them.
 * @param {() => HTMLElement|null} canvas where noVNC takes its key events, once there is one
 */
export function sendMissingKeyEvents(canvas) {
  const keys = new KeyState(() => performance.now());
  let timer = 0;

  function expireLater() {
    clearTimeout(timer);
    const pause_ms = keys.expires_ms;
    if (pause_ms !== null) {
      timer = setTimeout(() => {
        tell(keys.expire());
        expireLater();
      }, pause_ms);
    }
  }

  function tell(corrections, cause = null) {
    for (const { down, code, key, location } of corrections) {
      // noVNC compares the locks with the guest's when a key goes down.
      const locks = LOCKS.map((name) => [`modifier${name}`, cause?.getModifierState(name) ?? false]);
      const event = new KeyboardEvent(down ? "keydown" : "keyup", { code, key, location, ...Object.fromEntries(locks) });
      canvas()?.dispatchEvent(event);
    }
  }

  function onKey(event) {
    // Not those that are told here.
    if (event.isTrusted) {
      const { code, key, repeat, target } = event;
      const fact = { code, key, repeat, modifiers: modifiersOf(event), onScreen: target === canvas() };
      tell(event.type === "keydown" ? keys.keydown(fact) : keys.keyup(fact), event);
      expireLater();
    }
  }

  function onPointer(event) {
    const presses = event.type !== "pointermove" && event.target === canvas();
    tell(keys.pointer({ modifiers: modifiersOf(event), presses }), event);
    expireLater();
  }

  for (const type of ["keydown", "keyup"]) {
    window.addEventListener(type, onKey, true);
  }
  for (const type of ["pointerdown", "pointermove", "pointerup", "wheel"]) {
    window.addEventListener(type, onPointer, { capture: true, passive: true });
  }
  // noVNC lets go of all keys then, by itself.
  window.addEventListener("blur", () => {
    keys.clear();
    expireLater();
  });
}
