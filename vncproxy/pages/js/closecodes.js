/**
 * What each WebSocket close code means to the person before the screen, and what the page does.
 *
 * But for the calls of `t`, the list is JSON, so that a test can hold it against the daemon's own list.
 * unopened: the title and text where no screen had been shown yet.
 * retry: "never" waits for the person; "pause" tries again after a short random pause; "backoff"
 * after growing pauses; "after" once the time has passed that the daemon named.
 * action: what the button does: "again" connects, "reload" loads the page anew, "list" leaves.
 */

import { t } from "./texts.js";
export const CLOSE_CODES = [
  {
    "code": 1000,
    "word": "viewer-left",
    "title": t("The console was closed"),
    "text": t("The screen in this page (noVNC) stopped by itself: it met something that it can’t show. vncproxy keeps the link for a while, so that coming back is quick."),
    "unopened": [t("The console didn’t open"), t("The screen in this page (noVNC) stopped by itself before it had a picture.")],
    "retry": "never",
    "action": "again",
    "button": t("Connect again")
  },
  {
    "code": 1006,
    "word": "",
    "title": t("The connection to vncproxy broke"),
    "text": t("The network or the vncproxy service went away without a word. If it stays like this, see whether “vncproxy serve” is running and, with a tunnel, whether the tunnel is up."),
    "retry": "backoff",
    "action": "again",
    "button": t("Try now")
  },
  {
    "code": 1011,
    "word": "internal",
    "title": t("vncproxy made a mistake"),
    "text": t("A fault inside vncproxy ended this console. Its log says which."),
    "retry": "never",
    "action": "again",
    "button": t("Try again")
  },
  {
    "code": 1012,
    "word": "restarting",
    "title": t("vncproxy is restarting"),
    "text": t("The console comes back as soon as the service is up again."),
    "retry": "pause",
    "action": "again",
    "button": t("Try now")
  },
  {
    "code": 4400,
    "word": "viewer-protocol",
    "title": t("This page broke the VNC protocol"),
    "text": t("vncproxy closed the connection because of a message from this page. Nothing of that message reached the instance. A page left open from another version can cause this: load it anew."),
    "retry": "never",
    "action": "reload",
    "button": t("Reload the page")
  },
  {
    "code": 4401,
    "word": "vnc-password",
    "title": t("The VNC password is needed"),
    "text": t("It is missing or was not accepted."),
    "retry": "never",
    "action": "again",
    "button": t("Connect")
  },
  {
    "code": 4403,
    "word": "kicked",
    "title": t("Your session was ended"),
    "text": t("Your access to this instance is over. Ask the administrator of this vncproxy."),
    "unopened": [t("This console can’t be opened now"), t("Your access to this instance is over. Ask the administrator of this vncproxy.")],
    "retry": "never",
    "action": "list",
    "button": t("All instances")
  },
  {
    "code": 4406,
    "word": "pixel-format",
    "title": t("This console can’t be shared with this page"),
    "text": t("Another viewer uses a different colour format, or the screen changed to a size that can’t be shown here. It works once the other viewer has left."),
    "retry": "never",
    "action": "again",
    "button": t("Try again")
  },
  {
    "code": 4408,
    "word": "idle",
    "title": t("Closed for lack of use"),
    "text": t("There was no key and no pointer movement for as long as the configuration allows (viewer_idle_timeout)."),
    "retry": "never",
    "action": "again",
    "button": t("Connect again")
  },
  {
    "code": 4409,
    "word": "in-use",
    "title": t("Somebody else is on this console"),
    "text": t("It is open in opaque mode, which carries one viewer only. Try again when the other viewer has left."),
    "retry": "never",
    "action": "again",
    "button": t("Try again")
  },
  {
    "code": 4410,
    "word": "session-limit",
    "title": t("The longest stay is over"),
    "text": t("The configuration limits how long one session may last (session_max_age). You may start another one."),
    "retry": "never",
    "action": "again",
    "button": t("Connect again")
  },
  {
    "code": 4413,
    "word": "too-slow",
    "title": t("This connection was too slow"),
    "text": t("The browser took in nothing for too long (slow_viewer_timeout), so vncproxy let go of it."),
    "retry": "backoff",
    "action": "again",
    "button": t("Try now")
  },
  {
    "code": 4421,
    "word": "elsewhere",
    "title": t("Another vncproxy has this console"),
    "text": t("The cloud allows one VNC session for an instance, and another daemon holds it. Open the console there, or close it there first."),
    "retry": "never",
    "action": "again",
    "button": t("Try again")
  },
  {
    "code": 4429,
    "word": "throttled",
    "title": t("The connections of the last minute are used up"),
    "text": t("The next one becomes free later than vncproxy waits for it (max_wait)."),
    "retry": "after",
    "action": "again",
    "button": t("Try now")
  },
  {
    "code": 4500,
    "word": "upstream-protocol",
    "title": t("The cloud’s end broke the VNC protocol"),
    "text": t("It sent something that vncproxy can’t read. If the same unknown message ends two connections in a row, the next one passes everything on unread (opaque mode), without keepalive and sharing."),
    "retry": "never",
    "action": "again",
    "button": t("Try again")
  },
  {
    "code": 4502,
    "word": "upstream-refused",
    "title": t("The cloud said no"),
    "text": t("“vncproxy check” tells more."),
    "retry": "never",
    "action": "again",
    "button": t("Try again")
  },
  {
    "code": 4504,
    "word": "upstream-lost",
    "title": t("The link to the instance was lost"),
    "text": t("vncproxy could not replace it in time (max_wait). The instance may be rebooting, or the network between vncproxy and the cloud is down."),
    "unopened": [t("No link to the instance"), t("vncproxy could not open one in time (max_wait). The instance may be starting, or the network between vncproxy and the cloud is down.")],
    "retry": "backoff",
    "action": "again",
    "button": t("Try now")
  }
];

/** What is said of an end that isn't in the list, such as a plain close. */
const UNNAMED = {
  code: 0,
  word: "",
  title: t("The console was closed"),
  text: "",
  retry: "never",
  action: "again",
  button: t("Connect again"),
};

/**
 * The entry for a close code; for an unknown code a plain one that names the code.
 * @param {number} code
 */
export function closeCode(code) {
  const known = CLOSE_CODES.find((entry) => entry.code === code);
  if (known) {
    return known;
  }
  const plain = code === 0 || code === 1001 || code === 1005;
  return { ...UNNAMED, code, text: plain ? "" : t("The close code was {code}.", { code }) };
}

/**
 * The cloud's error code in a close reason such as `upstream-refused: IncorrectInstanceStatus`.
 * @param {string} reason
 * @returns {string} the code, or an empty string
 */
export function cloudCodeOf(reason) {
  const found = /^[a-z-]+: ([A-Za-z0-9._-]{1,64})$/.exec(reason);
  return found ? found[1] : "";
}
