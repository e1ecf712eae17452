/**
 * The addresses that the pages use: of pages and WebSockets as the browser asks for them; of the
 * interface, `/api/v1/…`, without the base path, which `api.js` adds.
 */

import { basePath, below } from "./basepath.js";
import { language } from "./texts.js";

/**
 * The instance that a page address names: `/console/web-1` is web-1.
 * @param {string} pathname
 * @returns {string} empty where there is none
 */
export function instanceOf(pathname) {
  const base = basePath();
  const own = pathname.startsWith(`${base}/`) ? pathname.slice(base.length) : pathname;
  const found = /^\/console\/([^/]+)\/?$/.exec(own);
  try {
    return found ? decodeURIComponent(found[1]) : "";
  } catch {
    return "";
  }
}

/**
 * An instance in an address, by the name that opens it: a proxy before several daemons goes by that.
 * @param {{alias: string|null, id: string}} instance
 */
function pathName({ alias, id }) {
  return encodeURIComponent(alias || id);
}

/**
 * The recording that a page address names: `/replay/a.vncrec` is a.vncrec.
 * @param {string} pathname
 * @returns {string} empty where there is none
 */
export function recordingOf(pathname) {
  const base = basePath();
  const own = pathname.startsWith(`${base}/`) ? pathname.slice(base.length) : pathname;
  const found = /^\/replay\/([^/]+)\/?$/.exec(own);
  try {
    return found ? decodeURIComponent(found[1]) : "";
  } catch {
    return "";
  }
}

/** Where an instance is opened. @param {{alias: string|null, id: string}} instance */
export function consolePath(instance) {
  return below(`/console/${pathName(instance)}`);
}

/**
 * Something of an instance.
 * @param {{alias: string|null, id: string}} instance
 * @param {string} what of `/api/v1/instances/{instance}/`, with its query
 */
export function instancePath(instance, what) {
  return `/api/v1/instances/${pathName(instance)}/${what}`;
}

/** An open console. @param {{alias: string|null, id: string}} instance */
export function consolesPath(instance) {
  return `/api/v1/consoles/${pathName(instance)}`;
}

/** One viewer of an open console. @param {{alias: string|null, id: string}} instance @param {{id: string}} viewer */
export function viewerPath(instance, viewer) {
  return `${consolesPath(instance)}/viewers/${encodeURIComponent(viewer.id)}`;
}

/**
 * What the page's query asks for.
 * @param {string} search
 * @returns {{view: boolean, take: boolean}}
 */
export function wishesOf(search) {
  const query = new URLSearchParams(search);
  return { view: query.get("view") === "1", take: query.get("take") === "1" };
}

function query(values) {
  const text = new URLSearchParams(values).toString();
  return text ? `?${text}` : "";
}

function wishQuery({ view, take }) {
  return { ...(view ? { view: "1" } : {}), ...(take ? { take: "1" } : {}) };
}

/** The page's own address without `take`, which counts once. @param {Location|URL} location */
export function withoutTake({ pathname, search }) {
  const { view } = wishesOf(search);
  return pathname + query(wishQuery({ view, take: false }));
}

/**
 * A console's page at another daemon; null if what it says of its pages is no address of any.
 * @param {string|null|undefined} url where its pages are, as the daemon says
 * @param {string} instance
 * @returns {URL|null}
 */
export function consoleAt(url, instance) {
  let base;
  try {
    base = new URL(url ?? "");
  } catch {
    return null;
  }
  if (!/^https?:$/.test(base.protocol) || base.username || base.password || base.search || base.hash) {
    return null;
  }
  return new URL(`${base.origin}${base.pathname.replace(/\/$/, "")}/console/${encodeURIComponent(instance)}`);
}

/**
 * The same console at the daemon that has it, or "" where the page must not go on there by itself:
 * one daemon only passes it on, since two could do so for ever, and never from https to http.
 * @param {{url: string|null, pass_on: boolean}|null|undefined} elsewhere as the daemon says
 * @param {string} instance
 * @param {{view: boolean}} wishes
 * @param {Location|URL} location
 */
export function onwardAddress(elsewhere, instance, { view }, { search, protocol }) {
  if (!elsewhere?.pass_on || !elsewhere.url || new URLSearchParams(search).get("passed") === "1") {
    return "";
  }
  const there = consoleAt(elsewhere.url, instance);
  if (!there || (there.protocol === "http:" && protocol !== "http:")) {
    return "";
  }
  return there.href + query({ ...wishQuery({ view, take: false }), passed: "1" });
}

/** Where admission is asked for. @param {string} instance @param {{view: boolean, take: boolean}} wishes */
export function admissionPath(instance, wishes) {
  const name = encodeURIComponent(instance);
  return `/api/v1/consoles/${name}/admission${query(wishQuery(wishes))}`;
}

/**
 * A WebSocket's address on the page's own host.
 * @param {Location|URL} location
 * @param {"control"|"websockify"} door
 * @param {string} instance
 * @param {string} ticket
 * @param {{view: boolean, take: boolean}} wishes
 */
export function socketUrl(location, door, instance, ticket, wishes) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const name = encodeURIComponent(instance);
  // noVNC speaks RFB 3.8: the daemon needn't wait for what it answers in the handshake.
  const own = door === "websockify" ? { ahead: "1" } : { language };
  return `${scheme}//${location.host}${below(`/${door}/${name}`)}${query({ ticket, ...own, ...wishQuery(wishes) })}`;
}

/**
 * Where a server's answer may send the page to: a path of vncproxy's; anything else becomes the list.
 * @param {unknown} next
 */
export function safeNext(next) {
  return below(typeof next === "string" && /^\/(?![/\\])[^\\]*$/.test(next) ? next : "/");
}
