/** A long list of which only the rows in sight are built. */

import { arrange } from "./elements.js";

/** Built beyond the edges of the window, so that a small move shows no gap. */
const BEYOND = 6;

/** A row's height until one like it was measured. */
const USUAL_PX = 92;

/**
 * Which rows are in sight. Pure.
 * @param {number[]} heights of all rows
 * @param {number} top where the window begins, from the first row's upper edge
 * @param {number} height of the window
 * @param {number} [beyond] how many more on each side
 * @returns {{first: number, end: number, above: number, below: number}} rows [first, end), and the
 *   heights of those that aren't built
 */
export function rowsInSight(heights, top, height, beyond = BEYOND) {
  let first = 0;
  let y = 0;
  while (first < heights.length && y + heights[first] <= top) {
    y += heights[first];
    first += 1;
  }
  let end = first;
  while (end < heights.length && y < top + height) {
    y += heights[end];
    end += 1;
  }
  first = Math.max(0, first - beyond);
  end = Math.min(heights.length, end + beyond);
  const sum = (from, to) => heights.slice(from, to).reduce((all, one) => all + one, 0);
  return { first, end, above: sum(0, first), below: sum(end, heights.length) };
}

/**
 * Keeps a list's rows: those in sight are built, by their key, and built anew only when what they
 * show is another.
 */
export class Rows {
  #list;
  #build;
  #items = [];
  #built = new Map();
  #measured = new Map();
  #usual_px = USUAL_PX;
  #frame = 0;

  /**
   * @param {HTMLElement} list
   * @param {(item: object) => HTMLElement} build
   */
  constructor(list, build) {
    this.#list = list;
    this.#build = build;
    const later = () => {
      this.#frame ||= requestAnimationFrame(() => this.#draw());
    };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
  }

  /** @param {{key: string, shows: () => string}[]} items in their order; what `shows` gives changes with what is shown */
  set items(items) {
    this.#items = items;
    const keys = new Set(items.map(({ key }) => key));
    for (const key of this.#measured.keys()) {
      if (!keys.has(key)) {
        this.#measured.delete(key);
      }
    }
    this.#draw();
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const top = -this.#list.getBoundingClientRect().top;
    const heights = this.#items.map(({ key }) => this.#measured.get(key) ?? this.#usual_px);
    const { first, end, above, below } = rowsInSight(heights, top, innerHeight);
    const rows = this.#items.slice(first, end).map((item, at) => this.#row(item, first + at));
    this.#arrange(rows);
    this.#list.style.paddingTop = `${above}px`;
    this.#list.style.paddingBottom = `${below}px`;
    this.#measure(first, rows);
  }

  #row(item, at) {
    const known = this.#built.get(item.key);
    const shows = item.shows();
    let row = known?.row;
    if (known?.shows !== shows) {
      // Whoever is on a link or a button stays there; asked first, since the new row may take parts over from the old one.
      const focused = known?.row.contains(document.activeElement) ? document.activeElement.dataset.part : "";
      row = this.#build(item);
      known?.row.replaceWith(row);
      if (focused) {
        row.querySelector(`[data-part="${focused}"]`)?.focus({ preventScroll: true });
      }
      this.#built.set(item.key, { row, shows });
    }
    row.setAttribute("aria-posinset", at + 1);
    row.setAttribute("aria-setsize", this.#items.length);
    return row;
  }

  #arrange(rows) {
    const wanted = new Set(rows);
    const focused = document.activeElement;
    for (const [key, { row }] of [...this.#built]) {
      if (!wanted.has(row)) {
        this.#built.delete(key);
      }
    }
    arrange(this.#list, rows);
    if (focused !== document.activeElement && focused.isConnected) {
      // A row that is moved loses it.
      focused.focus({ preventScroll: true });
    }
  }

  #measure(first, rows) {
    let changed = false;
    let sum = 0;
    rows.forEach((row, at) => {
      const { key } = this.#items[first + at];
      const height = row.getBoundingClientRect().height;
      sum += height;
      changed ||= Math.abs((this.#measured.get(key) ?? this.#usual_px) - height) > 1;
      this.#measured.set(key, height);
    });
    if (rows.length > 0) {
      this.#usual_px = sum / rows.length;
    }
    if (changed) {
      this.#frame ||= requestAnimationFrame(() => this.#draw());
    }
  }
}
