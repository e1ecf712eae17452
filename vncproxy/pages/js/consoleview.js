/** What administrators are shown of an open console, from its row in the daemon's list. Pure. */

import { amount, span, speed } from "./amounts.js";
import { cloudErrorText } from "./clouderrors.js";
import { namesOf } from "./people.js";
import { stateName } from "./states.js";
import { listed, t, tc, tn, together, withCommas } from "./texts.js";
import { placeOf, sentence, timeLeft, titleOf } from "./words.js";

const TONES = { running: "good", closed: "bad" };

const KEEPALIVE = {
  any: t("Update requests"),
  pointer: t("Pointer messages"),
  key: t("Key presses"),
};

const PROOFS = {
  bearer: t("a token"),
  cookie: t("a log-in"),
  ticket: t("a link"),
  peer: t("the account"),
  header: t("the proxy"),
  "vnc-password": t("the port’s password"),
  "peer+vnc-password": t("the account and the port’s password"),
};

const LINKLESS = t("None at the moment");
const UNAWARE = t("None, being opaque");

/**
 * What the budget has left, or null where that isn't known. While the console waits, that wait is the
 * one time told: a permit that it holds is sooner than the next one that somebody else would get.
 * @param {object} row
 * @returns {{used: number, limit: number, text: string, tone: "good"|"warn"|"bad"}|null}
 */
function budgetOf({ budget, wait_s }) {
  if (!budget) {
    return null;
  }
  const { left, limit, next_free_s, counts_for } = budget;
  let tone = left > limit / 4 ? "good" : "warn";
  if (left === 0) {
    tone = "bad";
  }
  return {
    left,
    limit,
    tone,
    text: next_free_s > 0 && !(wait_s > 0)
      ? t("{left} of {limit} left, the next one in {time}", { left, limit, time: timeLeft(next_free_s) })
      : t("{left} of {limit} left", { left, limit }),
    scope: counts_for === "account"
      ? t("new connections in a minute, for the whole account")
      : t("new connections in a minute, for this instance"),
  };
}

function troublesOf(row, names) {
  const said = [];
  if (row.state !== "running") {
    said.push(together([sentence(row.text), row.wait_s > 0 && t("It goes on in {time}.", { time: timeLeft(row.wait_s) })]));
  }
  if (row.error) {
    said.push(together([t("The last try failed."), cloudErrorText(row.error, row.instance_status)]));
  }
  if (row.budget_problem) {
    said.push(together([t("What the budget has left isn’t known."), sentence(row.budget_problem)]));
  }
  for (const { id, record, recorded } of row.viewers) {
    if (record && !recorded) {
      said.push(t("The session of {name} should be recorded, and isn’t at the moment.", { name: names.get(id) }));
    }
  }
  return said;
}

function flowNote({ bytes }) {
  return t("{amount} so far", { amount: amount(bytes) });
}

function factsOf(row) {
  const { saved } = row;
  const age = row.link_age_s === null ? LINKLESS : t("Up for {time}", { time: span(row.link_age_s) });
  const before = row.links > 1 ? tn(row.links, "{count} connection so far", "{count} connections so far") : "";
  return [
    { term: t("Connection to the cloud"), text: age, note: withCommas([row.link, before]) },
    { term: t("From the cloud"), text: speed(row.from_cloud), note: flowNote(row.from_cloud) },
    { term: t("To the cloud"), text: speed(row.to_cloud), note: flowNote(row.to_cloud) },
    {
      term: t("Keepalive"),
      text: row.opaque ? UNAWARE : (KEEPALIVE[row.keepalive] ?? row.keepalive),
      note: row.opaque ? "" : sentence(row.keepalive_why ?? ""),
    },
    {
      term: tc("how long", "Open"),
      text: t("For {time}", { time: span(row.age_s) }),
      note: withCommas([
        saved.losses_survived && tn(saved.losses_survived, "{count} loss survived", "{count} losses survived"),
        saved.dials_avoided && tn(saved.dials_avoided, "{count} viewer found it open", "{count} viewers found it open"),
      ]),
    },
  ];
}

function viewerOf(viewer, name) {
  const { identity, rule, door, native, record, recorded, asks, role, input_age_s } = viewer;
  const proof = identity === "open" ? t("Without a proof") : t("By {proof}", { proof: PROOFS[identity] ?? identity });
  return {
    id: viewer.id,
    name,
    from: viewer.from,
    letIn: withCommas([proof, native && t("in a VNC program"), rule, t("door “{door}”", { door })]),
    role: role === "control" ? t("In control") : t("Watching"),
    controls: role === "control",
    asks,
    recorded: record && recorded,
    on: span(viewer.age_s),
    input: input_age_s === null ? t("none yet") : t("{time} ago", { time: span(input_age_s) }),
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
    state: stateName(row.state === "resuming" && row.links === 0 ? "retrying" : row.state),
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
  return withCommas([
    tn(views.length, "{count} console", "{count} consoles"),
    tn(viewers, "{count} viewer", "{count} viewers"),
  ]);
}

/**
 * The question before a viewer's session is ended.
 * @param {ReturnType<typeof consoleView>} view
 * @param {{name: string, controls: boolean}} viewer
 */
export function endViewerWords({ title, viewers }, { name, controls }) {
  const others = viewers.length > 1 ? t("The others stay on.") : t("The console stays open for a while.");
  return {
    title: t("End the session of {name} on {title}?", { name, title }),
    text: together([t("Its screen closes at once, and says that it was ended."), others]),
    hint: together([
      controls && t("{name} is in control: what is being typed ends in the middle.", { name }),
      t("It doesn’t come back by itself, but its user may open the console again: only a rule prevents that."),
    ]),
    button: t("End the session"),
    done: t("The session of {name} on {title} was ended.", { name, title }),
    gone: t("The session of {name} on {title} was over already.", { name, title }),
  };
}

const NAMED_AT_MOST = 5;

/** The question before a console is ended. @param {ReturnType<typeof consoleView>} view */
export function endConsoleWords({ title, viewers }) {
  const names = viewers.map(({ name }) => name);
  const more = names.length - NAMED_AT_MOST;
  const people = listed(more > 0 ? [...names.slice(0, NAMED_AT_MOST), tn(more, "{count} other", "{count} others")] : names);
  const sent = names.length === 1
    ? t("{people} is sent away at once.", { people })
    : people && t("{people} are sent away at once.", { people });
  return {
    title: t("End the console of {title}?", { title }),
    text: together([sent, t("The connection to the cloud is closed.")]),
    hint: t("The instance itself goes on running. Opening the console again takes a new connection from the budget."),
    button: t("End the console"),
    done: t("The console of {title} was ended.", { title }),
    gone: t("The console of {title} was closed already.", { title }),
  };
}
