/** The log-in card: takes a token and gets a cookie for it. */

import { call } from "./api.js";
import { element } from "./elements.js";
import { t, tParts } from "./texts.js";
import { refusalSentences } from "./words.js";

let made = 0;

/** Where the owner's token is. */
function ownersHint() {
  return tParts(
    "It is in the file {file} of vncproxy’s state directory. Or run {command} on its machine and open the link that it prints.",
    { file: element("code", { text: "token" }), command: element("code", { text: "vncproxy url INSTANCE" }) },
  );
}

/** Where a user's own token comes from. */
const USERS_HINT = [
  t("The administrator of this vncproxy gave it to you. If you have none, or lost it, ask for a new one: nobody can look up the old one."),
];

/**
 * Whether a refusal asks for a user's own token, and not for the owner's.
 * @param {string} word of the refusal
 */
export function asksUsers(word) {
  return word === "user-log-in";
}

/**
 * A form that asks for a token; calls `done` once it was accepted.
 * @param {() => void} done
 * @param {string} word of the refusal that led here
 * @returns {HTMLFormElement}
 */
export function loginForm(done, word) {
  const users = asksUsers(word);
  made += 1;
  const field = element("input", {
    id: `token-${made}`,
    type: "password",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": `token-hint-${made}`,
  });
  const problem = element("p", { class: "problem", role: "alert" });
  const submit = element("button", { class: "primary", type: "submit", text: t("Log in") });
  const form = element(
    "form",
    { class: "login" },
    element("label", { for: field.id, text: users ? t("Your token") : t("Access token") }),
    element("div", { class: "field-row" }, field, submit),
    problem,
    element("p", { class: "hint", id: `token-hint-${made}` }, ...(users ? USERS_HINT : ownersHint())),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    submit.disabled = true;
    try {
      await call("POST", "/api/v1/session", { token: field.value.trim() });
      field.value = "";
      done();
    } catch (error) {
      problem.textContent =
        error.status === 401 || error.status === 400
          ? t("This token isn’t the right one.")
          : refusalSentences(error);
      field.select();
    } finally {
      submit.disabled = false;
    }
  });
  return form;
}

/**
 * The card around that form, for a page that shows nothing else; the field has the focus.
 * @param {string} why a sentence
 * @param {() => void} done
 * @param {string} [word] the refusal's
 * @returns {HTMLElement}
 */
export function loginCard(why, done, word) {
  const form = loginForm(done, word);
  queueMicrotask(() => form.querySelector("input").focus());
  return element(
    "section",
    { class: "card" },
    element("h2", { text: t("Log in") }),
    element("p", { text: why }),
    form,
  );
}
