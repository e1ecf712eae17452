/** What administrators are shown of a past session or a recording, from its row in the daemon's list. Pure. */

import { amount, span } from "./amounts.js";
import { dayAndTime, t, together } from "./texts.js";
import { lengthText } from "./timeline.js";
import { PLACE_JOINT, sentence, titleOf } from "./words.js";

/** Why a session ended, where the daemon gave no sentence for it; by the reason's word. */
const ENDS = {
  "viewer-left": t("The viewer left."),
  internal: t("A fault inside vncproxy ended it."),
  restarting: t("vncproxy was stopped or restarted."),
  "viewer-protocol": t("The viewer broke the VNC protocol."),
  "vnc-password": t("The VNC password was missing or wrong."),
  kicked: t("An administrator or a rule ended it."),
  "pixel-format": t("The viewer couldn’t show the screen."),
  idle: t("Nothing was typed or moved for too long."),
  "in-use": t("Somebody else was on."),
  "session-limit": t("It had lasted as long as a session may."),
  "too-slow": t("The viewer read too slowly."),
  elsewhere: t("Another vncproxy had the console."),
  throttled: t("Too many connections to the cloud had been made."),
  "upstream-protocol": t("The cloud broke the VNC protocol."),
  "upstream-refused": t("The cloud refused the connection."),
  "upstream-lost": t("The connection to the cloud was lost."),
};

/** What an instance was called, or the cloud calls it now, and what else tells it from others. */
function instanceOf({ alias, instance, instance_name: name, region }) {
  const title = titleOf({ alias, id: instance, name }) || t("Unknown instance");
  return { title, place: [title === instance ? "" : instance, region].filter(Boolean).join(PLACE_JOINT) };
}

function whenOf(started_at) {
  return started_at ? dayAndTime(new Date(started_at)) : t("Time not known");
}

function endOf({ state, reason, text }) {
  if (state === "open") {
    return "";
  }
  if (state === "lost") {
    return t("Not known: the daemon stopped before it could record the end.");
  }
  const word = (reason ?? "").split(":", 1)[0];
  return text ? sentence(text) : (ENDS[word] ?? word);
}

/** States of recordings that there is nothing of to be seen. */
const UNPLAYABLE = new Set(["gone", "unreadable", "empty"]);

const OPENED_TO = { control: t("To control"), watch: t("Only to watch") };

/** @param {object} row of `GET /api/v1/sessions` */
export function sessionView(row) {
  const { user, address, seconds, state, opened_to, recording, recording_state } = row;
  return {
    ...instanceOf(row),
    who: user || t("Unknown user"),
    from: address ? t("from {address}", { address }) : "",
    when: whenOf(row.started_at),
    length: seconds === null ? "" : span(seconds),
    open: state === "open",
    opened: OPENED_TO[opened_to] ?? "",
    end: endOf(row),
    recording: UNPLAYABLE.has(recording_state) ? null : recording,
  };
}

/** What is to be known of a recording that isn't complete; by its state's word. */
const LACKS = {
  unreadable: { word: t("Can’t be played"), tone: "bad" },
  running: { word: t("Being recorded"), tone: "good" },
  empty: { word: t("Nothing was shown"), tone: "warn" },
  damaged: { word: t("Damaged"), tone: "bad" },
  cut: { word: t("No proper end"), tone: "warn" },
  incomplete: { word: t("Parts are missing"), tone: "warn" },
};

/** @param {object} row of `GET /api/v1/recordings` */
export function recordingView(row) {
  const { name, problem, user, address } = row;
  const about = instanceOf(row);
  return {
    ...about,
    // Of one that doesn't tell whose it is, the file is all that is known.
    place: about.place || name,
    name,
    who: user || (problem ? "" : t("Unknown user")),
    from: address ? t("from {address}", { address }) : "",
    when: whenOf(row.started_at),
    length: problem ? "" : lengthText(1000 * row.duration_s),
    size: amount(row.size_bytes),
    lack: LACKS[row.state] ?? null,
    problem: problem ?? "",
    caution: row.caution ?? "",
  };
}

/** A time as the browser's field has it, in this machine's zone, for the daemon. @param {string} value */
function utc(value) {
  const at = value ? new Date(value) : null;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : "";
}

/**
 * The query of a search, without "?".
 * @param {{user: string, instance: string, since: string, until: string}} fields as they were filled in
 * @param {Record<string, string>} [more]
 */
export function searchQuery({ user, instance, since, until }, more = {}) {
  const wanted = { user: user.trim(), instance: instance.trim(), since: utc(since), until: utc(until), ...more };
  return new URLSearchParams(Object.entries(wanted).filter(([, value]) => value)).toString();
}

/** What is to be known of a list besides its rows. @param {{read: number, problems: string[]}} answer */
export function listNotes({ read, problems }) {
  const reading =
    read < 1 ? [t("Older files are still being read ({part} %): what is missing comes by itself.", { part: Math.floor(100 * read) })] : [];
  return [...reading, ...problems];
}

/** Where a recording is played. @param {string} name */
export function replayPath(name) {
  return `/replay/${encodeURIComponent(name)}`;
}

/** Where a recording's file is. @param {string} name */
export function recordingFilePath(name) {
  return `/api/v1/recordings/${encodeURIComponent(name)}/file`;
}

/** A label for a link of one recording, which tells it from others. @param {{title: string, when: string}} view */
export function playLabel({ title, when }) {
  return together([t("Play the recording of {title}, {when}", { title, when })]);
}
