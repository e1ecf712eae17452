/**
 * What each WebSocket close code means to the person before the screen, and what the page does.
 *
 * The list is plain JSON, so that a test can hold it against the daemon's own list.
 * unopened: the title and text where no screen had been shown yet.
 * retry: "never" waits for the person; "pause" tries again after a short random pause; "backoff"
 * after growing pauses; "after" once the time has passed that the daemon named.
 * action: what the button does: "again" connects, "reload" loads the page anew, "list" leaves.
 */
export const CLOSE_CODES = [
  {
    "code": 1000,
    "word": "viewer-left",
    "title": "The console was closed",
    "text": "The screen in this page (noVNC) stopped by itself: it met something that it can’t show. vncproxy keeps the link for a while, so that coming back is quick.",
    "unopened": ["The console didn’t open", "The screen in this page (noVNC) stopped by itself before it had a picture."],
    "retry": "never",
    "action": "again",
    "button": "Connect again"
  },
  {
    "code": 1006,
    "word": "",
    "title": "The connection to vncproxy broke",
    "text": "The network or the vncproxy service went away without a word. If it stays like this, see whether “vncproxy serve” is running and, with a tunnel, whether the tunnel is up.",
    "retry": "backoff",
    "action": "again",
    "button": "Try now"
  },
  {
    "code": 1011,
    "word": "internal",
    "title": "vncproxy made a mistake",
    "text": "A fault inside vncproxy ended this console. Its log says which.",
    "retry": "never",
    "action": "again",
    "button": "Try again"
  },
  {
    "code": 1012,
    "word": "restarting",
    "title": "vncproxy is restarting",
    "text": "The console comes back as soon as the service is up again.",
    "retry": "pause",
    "action": "again",
    "button": "Try now"
  },
  {
    "code": 4400,
    "word": "viewer-protocol",
    "title": "This page broke the VNC protocol",
    "text": "vncproxy closed the connection because of a message from this page. Nothing of that message reached the instance. A page left open from another version can cause this: load it anew.",
    "retry": "never",
    "action": "reload",
    "button": "Reload the page"
  },
  {
    "code": 4401,
    "word": "vnc-password",
    "title": "The VNC password is needed",
    "text": "It is missing or was not accepted.",
    "retry": "never",
    "action": "again",
    "button": "Connect"
  },
  {
    "code": 4403,
    "word": "kicked",
    "title": "Your session was ended",
    "text": "Your access to this instance is over. Ask whoever runs this vncproxy.",
    "unopened": ["This console can’t be opened now", "Your access to this instance is over. Ask whoever runs this vncproxy."],
    "retry": "never",
    "action": "list",
    "button": "All instances"
  },
  {
    "code": 4406,
    "word": "pixel-format",
    "title": "This console can’t be shared with this page",
    "text": "Another viewer uses a different colour format, or the screen changed to a size that can’t be shown here. It works once the other viewer has left.",
    "retry": "never",
    "action": "again",
    "button": "Try again"
  },
  {
    "code": 4408,
    "word": "idle",
    "title": "Closed for lack of use",
    "text": "There was no key and no pointer movement for as long as the configuration allows (viewer_idle_timeout).",
    "retry": "never",
    "action": "again",
    "button": "Connect again"
  },
  {
    "code": 4409,
    "word": "in-use",
    "title": "Somebody else is on this console",
    "text": "It is open in opaque mode, which carries one viewer only. Try again when the other viewer has left.",
    "retry": "never",
    "action": "again",
    "button": "Try again"
  },
  {
    "code": 4410,
    "word": "session-limit",
    "title": "The longest stay is over",
    "text": "The configuration limits how long one session may last (session_max_age). You may start another one.",
    "retry": "never",
    "action": "again",
    "button": "Connect again"
  },
  {
    "code": 4413,
    "word": "too-slow",
    "title": "This connection was too slow",
    "text": "The browser took in nothing for too long (slow_viewer_timeout), so vncproxy let go of it.",
    "retry": "backoff",
    "action": "again",
    "button": "Try now"
  },
  {
    "code": 4421,
    "word": "elsewhere",
    "title": "Another vncproxy has this console",
    "text": "The cloud allows one VNC session for an instance, and another daemon holds it. Open the console there, or close it there first.",
    "retry": "never",
    "action": "again",
    "button": "Try again"
  },
  {
    "code": 4429,
    "word": "throttled",
    "title": "The connections of the last minute are used up",
    "text": "The next one becomes free later than vncproxy waits for it (max_wait).",
    "retry": "after",
    "action": "again",
    "button": "Try now"
  },
  {
    "code": 4500,
    "word": "upstream-protocol",
    "title": "The cloud’s end broke the VNC protocol",
    "text": "It sent something that vncproxy can’t read. If the same unknown message ends two connections in a row, the next one passes everything on unread (opaque mode), without keepalive and sharing.",
    "retry": "never",
    "action": "again",
    "button": "Try again"
  },
  {
    "code": 4502,
    "word": "upstream-refused",
    "title": "The cloud said no",
    "text": "“vncproxy check” tells more.",
    "retry": "never",
    "action": "again",
    "button": "Try again"
  },
  {
    "code": 4504,
    "word": "upstream-lost",
    "title": "The link to the instance was lost",
    "text": "vncproxy could not replace it in time (max_wait). The instance may be rebooting, or the network between vncproxy and the cloud is down.",
    "unopened": ["No link to the instance", "vncproxy could not open one in time (max_wait). The instance may be starting, or the network between vncproxy and the cloud is down."],
    "retry": "backoff",
    "action": "again",
    "button": "Try now"
  }
];

/** What is said of an end that isn't in the list, such as a plain close. */
const UNNAMED = {
  code: 0,
  word: "",
  title: "The console was closed",
  text: "",
  retry: "never",
  action: "again",
  button: "Connect again",
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
  return { ...UNNAMED, code, text: plain ? "" : `The close code was ${code}.` };
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
