/** Which instances the list shows, and in which order. Pure. */

import { titleOf } from "./words.js";

/**
 * @typedef {object} Filters
 * @property {string} words all of which an instance must have somewhere
 * @property {string} region empty: any
 * @property {string} status empty: any
 * @property {boolean} open only those with a console that is open
 * @typedef {object} Memory
 * @property {string[]} favourites ids
 * @property {Record<string, number>} used when each was last opened, by id
 */

/** What is looked for words in; `vncproxy instances` looks in the same (has_words). */
function hayOf({ alias, id, name, region, tags }) {
  const texts = [alias, id, name, region, ...Object.entries(tags ?? {}).map(([key, value]) => `${key}=${value}`)];
  return texts.filter(Boolean).join("\n").toLowerCase();
}

const UNKNOWN = "unknown";

/** The state in the filter's terms. @param {{status: string|null, missing?: boolean}} instance */
export function statusOf({ status, missing }) {
  return missing ? "missing" : status || UNKNOWN;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** How well the first word fits: a whole name before a beginning, that before anything else. */
function rankOf(instance, word) {
  if (!word) {
    return 0;
  }
  const names = [instance.alias, instance.id, instance.name].filter(Boolean).map((name) => name.toLowerCase());
  if (names.includes(word)) {
    return 0;
  }
  return names.some((name) => name.startsWith(word)) ? 1 : 2;
}

/** Looks through one list of instances; what is looked in, and their order by name, is made ready once for all searches. */
export class Finder {
  #entries = [];

  /** @param {object[]} instances of `GET /api/v1/instances` */
  set instances(instances) {
    this.#entries = instances
      .map((instance) => ({ instance, title: titleOf(instance), hay: hayOf(instance) }))
      .sort((a, b) => collator.compare(a.title, b.title));
  }

  /** The regions there are, in their order. */
  get regions() {
    return [...new Set(this.#entries.map(({ instance }) => instance.region))].sort();
  }

  /** The states there are, in their order. */
  get statuses() {
    return [...new Set(this.#entries.map(({ instance }) => statusOf(instance)))].sort();
  }

  /**
   * Those to show: with words, the best fit first; then favourites, what was used last, and the rest
   * by name.
   * @param {Filters} filters
   * @param {Memory} memory
   */
  found({ words, region, status, open }, { favourites, used }) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const liked = new Set(favourites);
    return this.#entries
      .filter(
        ({ instance, hay }) =>
          (!region || instance.region === region) &&
          (!status || statusOf(instance) === status) &&
          (!open || instance.state !== null) &&
          wanted.every((word) => hay.includes(word)),
      )
      .map(({ instance }) => ({
        instance,
        rank: rankOf(instance, wanted[0]),
        liked: liked.has(instance.id) ? 0 : 1,
        used: used[instance.id] ?? 0,
      }))
      // They are in the order of their names, which stays where all this is equal.
      .sort((a, b) => a.rank - b.rank || a.liked - b.liked || b.used - a.used)
      .map(({ instance }) => instance);
  }
}
