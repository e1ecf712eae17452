/** Pictures of the instances' screens in the list: kept while the list is drawn anew, renewed each minute. */

import { instancePath } from "./addresses.js";
import { load } from "./api.js";
import { element } from "./elements.js";
import { t } from "./texts.js";
import { titleOf } from "./words.js";

const RENEW_MS = 60_000;

/** One picture. */
class Thumbnail {
  #instance;
  #asked_ms = -Infinity;
  #address = "";

  constructor(instance, look) {
    this.#instance = instance;
    this.picture = element("img", { alt: "", hidden: true });
    this.root = element("button", { type: "button", class: "thumb", "data-part": "thumb", on: { click: () => look(this.#instance) } }, this.picture);
  }

  /** @param {object} instance its row of the list */
  update(instance) {
    this.#instance = instance;
    this.root.setAttribute("aria-label", t("Look at {name}", { name: titleOf(instance) }));
    if (instance.status !== "Running") {
      this.forget();
    } else if (performance.now() - this.#asked_ms > RENEW_MS) {
      this.#asked_ms = performance.now();
      this.#renew();
    }
  }

  async #renew() {
    let file;
    try {
      file = await load(instancePath(this.#instance, "screenshot?thumbnail=1"));
    } catch {
      // The dialog says why, to whoever wants to know.
      this.forget();
      return;
    }
    const before = this.#address;
    this.#address = URL.createObjectURL(file.blob);
    this.picture.src = this.#address;
    this.picture.hidden = false;
    URL.revokeObjectURL(before);
  }

  forget() {
    URL.revokeObjectURL(this.#address);
    this.#address = "";
    this.picture.removeAttribute("src");
    this.picture.hidden = true;
  }
}

export class Thumbnails {
  #known = new Map();
  #look;

  /** @param {(instance: object) => void} look called for one that was clicked */
  constructor(look) {
    this.#look = look;
  }

  /** The picture of this instance, to be put into its row. @param {object} instance */
  of(instance) {
    if (!this.#known.has(instance.id)) {
      this.#known.set(instance.id, new Thumbnail(instance, this.#look));
    }
    const found = this.#known.get(instance.id);
    found.update(instance);
    return found.root;
  }

  /** Renew what is in sight and old, and forget what isn't listed any more. @param {object[]} instances */
  renew(instances) {
    const listed = new Set(instances.map(({ id }) => id));
    for (const [id, one] of this.#known) {
      if (!listed.has(id)) {
        one.forget();
        this.#known.delete(id);
      }
    }
    for (const instance of instances) {
      const found = this.#known.get(instance.id);
      if (found?.root.isConnected) {
        found.update(instance);
      }
    }
  }
}
