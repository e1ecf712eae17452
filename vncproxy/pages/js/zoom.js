/** Where a picture lies that is shown larger than its window. Pure. */

/** The picture fits its window. */
export const WHOLE = { scale: 1, x: 0, y: 0 };

function within(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

/** A view whose edges are outside the window, or on it. */
function bounded({ scale, x, y }, { width, height }) {
  return { scale, x: within(x, width * (1 - scale), 0), y: within(y, height * (1 - scale), 0) };
}

/**
 * The view after two fingers went from one place to another, farther apart by a ratio.
 * @param {{scale: number, x: number, y: number}} view as the fingers came down: how many times the window the
 *   picture is, and where its corner lies
 * @param {{ratio: number, from: {x: number, y: number}, to: {x: number, y: number}}} pinch in the window
 * @param {{width: number, height: number}} window @param {number} most the largest scale
 */
export function pinched(view, { ratio, from, to }, window, most) {
  const scale = within(view.scale * ratio, 1, most);
  const grown = scale / view.scale;
  return bounded({ scale, x: to.x - (from.x - view.x) * grown, y: to.y - (from.y - view.y) * grown }, window);
}

/** The view that has a place of the window inside it, moved no more than it must. */
export function showing(view, { x, y }, window) {
  return bounded(
    { scale: view.scale, x: view.x + within(x, 0, window.width) - x, y: view.y + within(y, 0, window.height) - y },
    window,
  );
}
