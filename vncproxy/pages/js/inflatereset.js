/**
 * Mends how noVNC resets a zlib stream, as Tight's reset bits ask for after a change of link.
 *
 * noVNC 1.7 carries pako 1, whose inflateReset sets the window's size to 0 and gives a window that
 * was in use already no size again: the first rectangle after the reset can still be inflated, the
 * next one that refers back to it can't (nodeca/pako issue 68). Without the old window pako makes a
 * new one of the right size.
 */

/** @param {{prototype: {reset: () => void}}} Inflate noVNC's class */
export function mendReset(Inflate) {
  const reset = Inflate.prototype.reset;
  Inflate.prototype.reset = function mended() {
    this.strm.state.window = null;
    reset.call(this);
  };
}
