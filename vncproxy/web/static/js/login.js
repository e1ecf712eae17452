/** The log-in card: takes the access token and gets a cookie for it. */

import { call } from "./api.js";
import { element } from "./elements.js";
import { refusalWords } from "./words.js";

let made = 0;

/**
 * A form that asks for the access token; calls `done` once it was accepted.
 * @param {() => void} done
 * @returns {HTMLFormElement}
 */
export function loginForm(done) {
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
  const submit = element("button", { class: "primary", type: "submit", text: "Log in" });
  const form = element(
    "form",
    { class: "login" },
    element("label", { for: field.id, text: "Access token" }),
    element("div", { class: "field-row" }, field, submit),
    problem,
    element(
      "p",
      { class: "hint", id: `token-hint-${made}` },
      "It is in the file ",
      element("code", { text: "token" }),
      " of vncproxy’s state directory, unless you were given one of your own. Or run ",
      element("code", { text: "vncproxy url INSTANCE" }),
      " there and open the link that it prints.",
    ),
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
          ? "This token isn’t the right one."
          : Object.values(refusalWords(error)).slice(0, 2).join(": ");
      field.select();
    } finally {
      submit.disabled = false;
    }
  });
  return form;
}
