/**
 * The page's texts in its language. A message is found by its English text, as in gettext; the
 * catalogue is put on the page before any module by the daemon, and English needs none. Pure.
 *
 * Only plain strings are given to `t`, `tc`, `tn` and `tParts`: they are looked for in the sources.
 */

const { language: LANGUAGE, tag: TAG, messages: MESSAGES } = globalThis.vncproxyTexts ?? {
  language: "en",
  tag: "en",
  messages: {},
};

/** "en" or "zh". */
export const language = LANGUAGE;

/** The same as HTML has it; calls of the daemon name it. */
export const tag = TAG;

/** How numbers and dates are written: as the browser does, if it is set to the page's language. */
export const locale = (globalThis.navigator?.languages ?? []).find((tag) => tag.split("-")[0] === LANGUAGE) ?? TAG;

function found(key, otherwise) {
  return Object.hasOwn(MESSAGES, key) ? MESSAGES[key] : otherwise;
}

function filled(text, values) {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** A text. @param {string} text @param {Record<string, unknown>} [values] of what stands in braces */
export function t(text, values = {}) {
  return filled(found(text, text), values);
}

/**
 * A text that is told from another one with the same English words.
 * @param {string} context @param {string} text @param {Record<string, unknown>} [values]
 */
export function tc(context, text, values = {}) {
  return filled(found(`${context}\u0004${text}`, text), values);
}

/**
 * A text with a number, which is `{count}` in it.
 * @param {number} count @param {string} one @param {string} many @param {Record<string, unknown>} [values]
 */
export function tn(count, one, many, values = {}) {
  return filled(found(one, count === 1 ? one : many), { count: number(count), ...values });
}

/**
 * A text as pieces for an element, with nodes in the places of braces.
 * @param {string} text @param {Record<string, Node|string>} nodes
 * @returns {(Node|string)[]}
 */
export function tParts(text, nodes) {
  return found(text, text)
    .split(/\{(\w+)\}/)
    .map((part, at) => (at % 2 ? nodes[part] : part))
    .filter((part) => part !== "");
}

const numbers = new Intl.NumberFormat(locale);

/** A number with its groups. @param {number} value */
export function number(value) {
  return numbers.format(value);
}

const times = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const moments = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });

/** The time of day. @param {Date} at */
export function timeOfDay(at) {
  return times.format(at);
}

/** Day and time. @param {Date} at */
export function dayAndTime(at) {
  return moments.format(at);
}

/** How far the browser's clock is from UTC at a moment, such as `UTC+08:00`. @param {Date} at */
export function offsetOf(at) {
  const minutes = -at.getTimezoneOffset();
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  return `UTC${minutes < 0 ? "−" : "+"}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
}

/** `a`, `a and b`, `a, b and c`. @param {string[]} names */
export function listed(names) {
  // British English puts no comma before the last one.
  const parts = new Intl.ListFormat(LANGUAGE === "en" ? "en-GB" : TAG).formatToParts(names).map(({ value }) => value);
  // Chinese has a space between its own characters and other letters.
  const spaced = (part, at) => (/[\w)]$/.test(parts[at - 1]) ? " " : "") + part + (/^[\w(]/.test(parts[at + 1]) ? " " : "");
  return parts.map((part, at) => (/^\p{Script=Han}$/u.test(part) && at % 2 ? spaced(part, at) : part)).join("");
}

/** Parts of a sentence, with commas between; what is empty is left out. @param {unknown[]} parts */
export function withCommas(parts) {
  return parts.filter(Boolean).join(LANGUAGE === "zh" ? "，" : ", ");
}

/** Things one after the other. @param {string[]} things */
export function enumerated(things) {
  return things.join(LANGUAGE === "zh" ? "、" : ", ");
}

/** What stands between two sentences. */
export const BETWEEN = LANGUAGE === "zh" ? "" : " ";

/** Sentences one after the other; what is empty is left out. @param {unknown[]} sentences */
export function together(sentences) {
  return sentences.filter(Boolean).join(BETWEEN);
}

/** What stands between a name and its value. */
export const COLON = LANGUAGE === "zh" ? "：" : ": ";

/** The mark at the end of a sentence. */
export const FULL_STOP = LANGUAGE === "zh" ? "。" : ".";
