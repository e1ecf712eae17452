/** The log-in that noVNC itself asks for, which happens in opaque mode only. */

import { secretForm } from "./message.js";
import { t } from "./texts.js";

const FIELDS = {
  username: { name: "username", label: t("User name"), secret: false },
  password: { name: "password", label: t("Password"), secret: true },
  target: { name: "target", label: t("Target"), secret: false },
};

/**
 * @param {import("./message.js").MessageCard} card
 * @param {string[]} types what is asked for
 * @param {(credentials: Record<string, string>) => void} submit
 */
export function askCredentials(card, types, submit) {
  card.show({
    tone: "ask",
    title: t("The screen asks for a log-in"),
    text: t("In opaque mode the log-in goes from this page through vncproxy to the cloud’s VNC server."),
    form: secretForm(types.map((type) => FIELDS[type]).filter(Boolean), t("Log in"), submit),
    formKey: "credentials",
  });
}
