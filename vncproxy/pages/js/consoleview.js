/** What administrators are shown of an open console, from its row in the daemon's list. Pure. */

import { amount, span, speed } from "./amounts.js";
import { cloudErrorText } from "./clouderrors.js";
import { namesOf } from "./people.js";
import { stateName } from "./states.js";
import { counted, placeOf, sentence, timeLeft, titleOf } from "./words.js";

const TONES = { running: "good", closed: "bad" };

const KEEPALIVE = {
  any: "Update requests",
  pointer: "Pointer messages",
  key: "Key presses",
};

const PROOFS = {
  bearer: "a token",
  cookie: "a log-in",
  ticket: "a link",
  peer: "the account",
  header: "the proxy",
  "vnc-password": "the port’s password",
  "peer+vnc-password": "the account and the port’s password",
};

const LINKLESS = "None at the moment";
const UNAWARE = "None, being opaque";

/** `a`, `a and b`, `a, b and c`. @param {string[]} names */
function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/**
 * What the budget has left, or null where that isn't known.
 * @param {object} row
 * @returns {{used: number, limit: number, text: string, tone: "good"|"warn"|"bad"}|null}
 */
function budgetOf({ budget }) {
  if (!budget) {
    return null;
  }
  const { left, limit, next_free_s, counts_for, window_s } = budget;
  const scope = counts_for === "account" ? "the whole account" : "this instance";
  const free = next_free_s > 0 ? `, the next one in ${timeLeft(next_free_s)}` : "";
  let tone = left > limit / 4 ? "good" : "warn";
  if (left === 0) {
    tone = "bad";
  }
  return {
    left,
    limit,
    tone,
    text: `${left} of ${limit} left${free}`,
    scope: `new connections in ${Math.round(window_s)} s, for ${scope}`,
  };
}

function troublesOf(row, names) {
  const said = [];
  if (row.state !== "running") {
    said.push(sentence(row.text) + (row.wait_s > 0 ? ` It goes on in ${timeLeft(row.wait_s)}.` : ""));
  }
  if (row.error) {
    said.push(`The last try failed. ${cloudErrorText(row.error)}`);
  }
  if (row.budget_problem) {
    said.push(`What the budget has left isn’t known. ${sentence(row.budget_problem)}`);
  }
  for (const { id, record, recorded } of row.viewers) {
    if (record && !recorded) {
      said.push(`The session of ${names.get(id)} should be recorded, and isn’t at the moment.`);
    }
  }
  return said;
}

function flowNote({ bytes }) {
  return `${amount(bytes)} so far`;
}

function factsOf(row) {
  const { saved } = row;
  const age = row.link_age_s === null ? LINKLESS : `Up for ${span(row.link_age_s)}`;
  const before = row.links > 1 ? `${counted(row.links, "connection")} so far` : "";
  return [
    { term: "Connection to the cloud", text: age, note: [row.link, before].filter(Boolean).join(", ") },
    { term: "From the cloud", text: speed(row.from_cloud), note: flowNote(row.from_cloud) },
    { term: "To the cloud", text: speed(row.to_cloud), note: flowNote(row.to_cloud) },
    {
      term: "Keepalive",
      text: row.opaque ? UNAWARE : (KEEPALIVE[row.keepalive] ?? row.keepalive),
      note: row.opaque ? "" : sentence(row.keepalive_why ?? ""),
    },
    {
      term: "Open",
      text: `For ${span(row.age_s)}`,
      note: [
        saved.losses_survived ? `${counted(saved.losses_survived, "loss", "losses")} survived` : "",
        saved.dials_avoided ? `${counted(saved.dials_avoided, "viewer")} found it open` : "",
      ]
        .filter(Boolean)
        .join(", "),
    },
  ];
}

function viewerOf(viewer, name) {
  const { identity, rule, door, native, record, recorded, asks, role, input_age_s } = viewer;
  const proof = identity === "open" ? "Without a proof" : `By ${PROOFS[identity] ?? identity}`;
  return {
    id: viewer.id,
    name,
    from: viewer.from,
    letIn: [proof, native && "in a VNC program", rule, `door “${door}”`].filter(Boolean).join(", "),
    role: role === "control" ? "In control" : "Watching",
    controls: role === "control",
    asks,
    recorded: record && recorded,
    on: span(viewer.age_s),
    input: input_age_s === null ? "none yet" : `${span(input_age_s)} ago`,
    receives: speed(viewer.to_viewer),
    received: flowNote(viewer.to_viewer),
    sends: speed(viewer.from_viewer),
    sent: flowNote(viewer.from_viewer),
  };
}

/** What a row is shown as. @param {object} row of `GET /api/v1/consoles`, one with role "admin" */
export function consoleView(row) {
  const names = namesOf(row.viewers);
  const known = { alias: row.alias, id: row.instance, name: row.name, region: row.region, windows: row.windows };
  return {
    id: row.instance,
    alias: row.alias,
    title: titleOf(known),
    place: placeOf(known),
    state: stateName(row.state),
    tone: TONES[row.state] ?? "warn",
    recorded: row.recorded,
    facts: factsOf(row),
    budget: budgetOf(row),
    troubles: troublesOf(row, names),
    viewers: row.viewers.map((viewer) => viewerOf(viewer, names.get(viewer.id))),
  };
}

/** What is open, in a line. @param {ReturnType<typeof consoleView>[]} views */
export function summary(views) {
  const viewers = views.reduce((sum, view) => sum + view.viewers.length, 0);
  return `${counted(views.length, "console")}, ${counted(viewers, "viewer")}`;
}

/**
 * The question before a viewer's session is ended.
 * @param {ReturnType<typeof consoleView>} view
 * @param {{name: string, controls: boolean}} viewer
 */
export function endViewerWords({ title, viewers }, { name, controls }) {
  const others = viewers.length > 1 ? "The others stay on." : "The console stays open for a while.";
  return {
    title: `End the session of ${name} on ${title}?`,
    text: `Its screen closes at once, and says that an administrator ended it. ${others}`,
    hint: [
      controls ? `${name} is in control: what is being typed ends in the middle.` : "",
      "It doesn’t come back by itself, but its user may open the console again: only a rule prevents that.",
    ]
      .filter(Boolean)
      .join(" "),
    button: "End the session",
    done: `The session of ${name} on ${title} was ended.`,
    gone: `The session of ${name} on ${title} was over already.`,
  };
}

const NAMED_AT_MOST = 5;

/** The question before a console is ended. @param {ReturnType<typeof consoleView>} view */
export function endConsoleWords({ title, viewers }) {
  const names = viewers.map(({ name }) => name);
  const more = names.length - NAMED_AT_MOST;
  const people = listed(more > 0 ? [...names.slice(0, NAMED_AT_MOST), counted(more, "other")] : names);
  const sent = people ? `${people} ${names.length === 1 ? "is" : "are"} sent away at once. ` : "";
  return {
    title: `End the console of ${title}?`,
    text: `${sent}The connection to the cloud is closed.`,
    hint: "The instance itself goes on running. Whoever opens the console again needs a new connection from the budget.",
    button: "End the console",
    done: `The console of ${title} was ended.`,
    gone: `The console of ${title} was closed already.`,
  };
}
