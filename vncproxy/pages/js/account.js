/** Who is logged in, at the top of a page, and the way out. */

import { call } from "./api.js";
import { byId, setText } from "./elements.js";
import { languageSwitch } from "./languageswitch.js";

/** Show whose page it is. @param {{user?: string, session?: boolean}|null} answer of `GET /api/v1/instances` */
export function showAccount(answer) {
  const account = byId("account");
  account.hidden = !answer?.user;
  setText(account, answer?.user ?? "");
  byId("log-out").hidden = !answer || answer.session === false;
}

/**
 * Let the button log out, and offer the other languages beside it.
 * @param {() => void} done
 * @param {(error: import("./api.js").ApiError) => void} failed
 */
export function offerLogOut(done, failed) {
  byId("account").before(languageSwitch());
  byId("log-out").addEventListener("click", async () => {
    try {
      await call("DELETE", "/api/v1/session");
    } catch (error) {
      if (error.status !== 401) {
        failed(error);
        return;
      }
    }
    done();
  });
}
