/**
 * The console page: asks for admission, opens a session, tells what is going on, comes back.
 *
 * One attempt = one admission = one session. What the page shows follows from three facts: the
 * attempt's step, the daemon's last state message, and whether the picture is there.
 */

import { instanceOf, onwardAddress, wishesOf, withoutTake } from "./addresses.js";
import { admission } from "./admission.js";
import { retryPause } from "./backoff.js";
import { below } from "./basepath.js";
import { Changes } from "./changes.js";
import { hasNoConsole } from "./clouderrors.js";
import { askCredentials } from "./credentials.js";
import { byId, setText } from "./elements.js";
import { endOfAdmission, endOfSession, withWayThere } from "./endings.js";
import { buildGuestClipboard } from "./guestclip.js";
import { buildKeysPanel } from "./keyspanel.js";
import { loginForm } from "./login.js";
import { UnsentKeys } from "./unsentkeys.js";
import { MessageCard } from "./message.js";
import { notice } from "./notices.js";
import { closePanels } from "./panels.js";
import { PasswordDesk } from "./password.js";
import { buildPasteDialog, layoutOf } from "./paste.js";
import { People } from "./people.js";
import { buildPowerButton } from "./power.js";
import { use } from "./remembered.js";
import { Screen } from "./screen.js";
import { Session } from "./session.js";
import { buildSnapshotButton } from "./snapshot.js";
import { stateWords } from "./states.js";
import { StatusBar } from "./statusbar.js";
import { copyText, supportText } from "./support.js";
import { t } from "./texts.js";
import { buildToolbar, enableTools } from "./toolbar.js";
import { buildTouchKeys } from "./touchkeys.js";
import { TouchScreen } from "./touchscreen.js";
import { buildWakeHint } from "./wake.js";
import { placeOf, titleOf, waitsUntil, wantsLogin } from "./words.js";

/** After so long with a picture, the next loss starts again with the shortest pause. */
const STEADY_MS = 30_000;

const ALL_INSTANCES = t("All instances");
const CLOSED_FOR_PASSWORD = 4401;
const CLOSED_FOR_ANOTHER_DAEMON = 4421;

/** So long it is said where the page goes on, before it does. */
const PASSING_MS = 1_200;

class ConsolePage {
  #instance = instanceOf(location.pathname);
  #wishes = wishesOf(location.search);
  #card = new MessageCard();
  #screen = new Screen(byId("screen"), byId("ghost"));
  #status = new StatusBar(() => {
    this.#reloads = true;
  });
  #people = new People((message) => this.#session?.send(message));
  #password = new PasswordDesk(this.#card, (message) => this.#session?.send(message));
  #hideWakeHint;
  #offerPower;

  /** The page comes back at once: nobody has to be asked whether it is to be left. */
  #reloads = false;
  #session = null;
  #state = null;
  #ending = null;
  #known = null;
  #began = false;
  #until_ms = null;
  #mayControl = true;
  #controls = true;
  #attempt = 0;
  #steadyTimer = 0;
  #changes = new Changes();
  /** Takes away the notice that the link is back, once that isn't so any more. */
  #hideBack = () => {};
  #lostKeys = new UnsentKeys(
    window,
    () => this.#card.waits && this.#controls && this.#screen.showsPicture,
    (count) => this.#card.lost(count),
  );
  #retryNow = null;
  #elsewhere = null;
  #turn = 0;

  constructor() {
    setText(byId("name"), this.#instance || t("Console"));
    document.title = `${this.#instance} · vncproxy`;
    buildToolbar(this.#screen, notice);
    buildKeysPanel(this.#screen, () => this.#keyboardFacts);
    buildPasteDialog(this.#screen, () => this.#linkIsUp(), () => this.#keyboardFacts);
    buildGuestClipboard(this.#screen);
    const touch = new TouchScreen(this.#screen);
    buildTouchKeys(this.#screen, () => this.#guestKeyboard(), (on) => {
      touch.touchpad = on;
    });
    buildSnapshotButton(this.#screen, notice);
    this.#offerPower = buildPowerButton(notice, () => this.#session ?? this.start());
    this.#hideWakeHint = buildWakeHint(this.#screen, () => this.#linkIsUp());
    this.#screen.addEventListener("picture", () => this.#pictureCame());
    this.#screen.addEventListener("desktopname", ({ detail }) => this.#status.fact(t("Desktop"), detail));
    this.#screen.addEventListener("dimensions", () => this.#refreshTools());
    this.#screen.addEventListener("credentials", ({ detail }) => {
      askCredentials(this.#card, detail, (values) => {
        this.#screen.sendCredentials(values);
        this.#showState();
      });
    });
    this.#screen.addEventListener("securityfailure", ({ detail }) => {
      notice("warning", detail
        ? t("The log-in to the screen failed: {why}", { why: detail })
        : t("The log-in to the screen failed."));
    });
    document.addEventListener("focusin", () => this.#showTyping());
    document.addEventListener("focusout", () => this.#showTyping());
    window.addEventListener("online", () => this.#retryNow?.());
    window.addEventListener("beforeunload", (event) => {
      if (!this.#reloads && this.#session && this.#controls && this.#screen.hasPicture) {
        event.preventDefault();
      }
    });
    // A page that goes away says so, instead of leaving a half-open viewer behind.
    window.addEventListener("pagehide", () => this.#session?.end());
    window.addEventListener("pageshow", ({ persisted }) => persisted && this.start());
  }

  /** What typing depends on: which instance it is, and its system. */
  get #keyboardFacts() {
    return this.#known?.instance ?? { id: this.#instance, windows: false };
  }

  #guestKeyboard() {
    const { id, windows } = this.#keyboardFacts;
    return { layout: layoutOf(id), windows, capsLock: this.#screen.guestCapsLock ?? false };
  }

  #linkIsUp() {
    return this.#screen.hasPicture && (!this.#state || ["running", "opaque"].includes(this.#state.state));
  }

  /** Begin an attempt. */
  async start() {
    this.#turn += 1;
    const turn = this.#turn;
    this.#retryNow = null;
    this.#session?.end();
    this.#session = null;
    this.#state = null;
    this.#began = false;
    this.#until_ms = null;
    this.#elsewhere = null;
    this.#changes = new Changes();
    this.#status.state("connecting", t("Opening"));
    this.#status.offersLanguage = true;
    this.#card.show({ tone: "wait", title: t("Opening the console"), text: t("Asking vncproxy for admission.") });
    this.#refreshTools();
    const wishes = this.#wishes;
    let admitted;
    try {
      admitted = await admission(this.#instance, wishes);
    } catch (error) {
      if (turn === this.#turn) {
        this.#refused(error);
      }
      return;
    }
    if (turn !== this.#turn) {
      return;
    }
    // Taking control over counts once: neither a reconnect nor a reload repeats it.
    this.#wishes = { ...wishes, take: false };
    history.replaceState(null, "", withoutTake(location));
    this.#admitted(admitted);
    const session = new Session(this.#screen, this.#instance, admitted.ticket, wishes, admitted.early);
    this.#session = session;
    session.addEventListener("control", ({ detail }) => this.#told(detail));
    session.addEventListener("ended", ({ detail }) => this.#ended(detail));
    this.#showState();
  }

  #admitted({ instance, viewer, may_control: mayControl, may_power: mayPower }) {
    this.#offerPower(instance, mayPower === true);
    const name = titleOf(instance);
    this.#known = { instance, viewer };
    use(instance.id, Date.now());
    setText(byId("name"), name);
    byId("name").title = name;
    document.title = `${name} · vncproxy`;
    setText(byId("place"), placeOf(instance));
    byId("place").title = placeOf(instance);
    this.#mayControl = mayControl !== false;
    this.#controls = this.#mayControl && !this.#wishes.view;
    this.#people.mayControl = this.#controls;
    this.#screen.mayType = this.#controls;
    this.#status.fact(t("Instance"), `${instance.id}, ${instance.region}`);
    this.#status.fact(t("Viewer"), viewer);
  }

  // What the daemon says on the control channel.

  #told(message) {
    switch (message.type) {
      case "state":
        this.#stateChanged(message);
        break;
      case "viewers":
        this.#viewersChanged(message);
        break;
      case "control-request":
        this.#people.request(message);
        break;
      case "elsewhere":
        this.#elsewhere = message;
        break;
      case "notice":
        notice(message.level, message.text);
        break;
      case "ending":
        this.#ending = message;
        break;
      default:
        // A later daemon may say more than this page knows.
        break;
    }
  }

  #viewersChanged(message) {
    // The control channel may be quicker than the screen's: until this viewer is on, nobody has
    // taken control from it.
    if (message.viewers.some(({ id }) => id === message.you)) {
      this.#controls = this.#mayControl && message.controller === message.you;
      this.#screen.mayType = this.#controls;
      this.#people.update(message);
      this.#refreshTools();
    }
  }

  #stateChanged(message) {
    const lost = this.#isBack(message) ? this.#takeLostKeys() : 0;
    if (!this.#isBack(message)) {
      this.#hideBack();
    }
    for (const { level, text } of this.#changes.next(message, lost)) {
      const hide = notice(level, text);
      // One that counts keys stays until it is dismissed: that they were lost stays true.
      if (level === "info") {
        this.#hideBack = hide;
      }
    }
    if (this.#changes.isBack) {
      this.#screen.releaseAll();
    }
    this.#state = message;
    this.#until_ms = waitsUntil(this.#until_ms, message.wait_s, Date.now());
    this.#status.update(message, this.#screen.hasPicture);
    this.#showState();
  }

  #isBack({ state }) {
    return ["running", "opaque"].includes(state);
  }

  #takeLostKeys() {
    this.#card.lost(0);
    return this.#lostKeys.take();
  }

  #pictureCame() {
    this.#password.accepted();
    this.#began = true;
    if (this.#state) {
      this.#status.update(this.#state, true);
    }
    clearTimeout(this.#steadyTimer);
    this.#steadyTimer = setTimeout(() => {
      this.#attempt = 0;
    }, STEADY_MS);
    this.#showState();
  }

  /** Show the card or the screen, as the state says. */
  #showState() {
    this.#refreshTools();
    const message = this.#state ?? { state: "idle" };
    if (message.state === "password") {
      this.#password.wanted(message);
      return;
    }
    if (message.state === "closed") {
      return;
    }
    // The picture may come before the daemon's first message.
    const passing = this.#state ? this.#isBack(message) : this.#began;
    if (passing && this.#screen.hasPicture) {
      if (this.#card.hide()) {
        this.#screen.focus();
      }
      return;
    }
    const words = stateWords(message, { hasPicture: this.#screen.hasPicture, until_ms: this.#until_ms });
    const actions = this.#starts(message);
    if (message.may_hurry) {
      const look = actions.length > 0 ? "" : "primary";
      actions.push({ label: t("Try now"), run: () => this.#session?.send({ type: "retry" }), look });
    }
    this.#card.show({
      tone: "wait",
      ...words,
      countdown: this.#countdown(words.next !== ""),
      actions: words.next ? [...actions, ...this.#ways({ title: words.title, last: message })] : actions,
    });
  }

  /** Until the next try by itself; a line that stays while one is under way. */
  #countdown(repeats) {
    if (this.#until_ms !== null) {
      return { seconds: (this.#until_ms - Date.now()) / 1000, words: t("Next try in {time}") };
    }
    return repeats ? { words: t("Trying now…") } : undefined;
  }

  /** The way to start an instance that is stopped, for who may. */
  #starts(last) {
    const power = byId("power-button");
    return last?.instance_status === "Stopped" && hasNoConsole(last.error?.code) && !power.hidden
      ? [{ label: t("Start it…"), run: () => power.click(), look: "primary" }]
      : [];
  }

  /** What else can be done: ask for help with the facts, or leave. */
  #ways(facts) {
    const copy = async () => {
      const known = { ...this.#known, at: new Date(), page: location.origin + location.pathname };
      const copied = await copyText(supportText({ ...known, ...facts }));
      notice(copied ? "info" : "warning", copied ? t("Copied: facts, and no secret.") : t("The browser doesn’t allow copying."));
    };
    return [
      { label: t("Copy for support"), run: copy, look: "quiet" },
      { label: ALL_INSTANCES, run: () => location.assign(below("/")), look: "quiet" },
    ];
  }

  // Ends.

  #ended(close) {
    const elsewhere = close.code === CLOSED_FOR_ANOTHER_DAEMON ? this.#elsewhere : null;
    const until_ms = this.#until_ms;
    const wait_s = until_ms === null ? null : Math.max(0, (until_ms - Date.now()) / 1000);
    const error = elsewhere ?? this.#state?.error;
    const last = this.#state || elsewhere ? { ...this.#state, wait_s, error } : null;
    // A session that somebody ended was one, with or without a screen.
    const began = this.#began || this.#ending?.by_hand === true;
    const circumstances = { said: this.#ending?.text ?? "", began, until_ms };
    this.#over();
    if (close.code === CLOSED_FOR_PASSWORD) {
      this.#status.offersLanguage = false;
      this.#password.wantedAfterEnd(() => this.start(), last?.error);
    } else if (!this.#passOn(elsewhere)) {
      const ending = withWayThere(endOfSession(close, last, circumstances), elsewhere, this.#instance);
      this.#stop(ending, { title: ending.title, close, last });
    }
  }

  /** Go on to the daemon that has the console, if this one says so; says whether it does. */
  #passOn(elsewhere) {
    const address = onwardAddress(elsewhere, this.#instance, this.#wishes, location);
    if (!address) {
      return false;
    }
    this.#status.state("resuming", t("Passing on"));
    this.#card.show({
      tone: "wait",
      title: t("Passing you on to {name}…", { name: elsewhere.name }),
      text: t("The console is open there: the cloud allows one VNC session for an instance."),
    });
    const turn = this.#turn;
    setTimeout(() => {
      if (turn === this.#turn) {
        // The other daemon takes pages from origins that it knows only; no more than that is told.
        document.querySelector("meta[name=referrer]").content = "strict-origin";
        location.replace(address);
      }
    }, PASSING_MS);
    return true;
  }

  #over() {
    this.#session = null;
    this.#state = null;
    this.#ending = null;
    this.#hideBack();
    clearTimeout(this.#steadyTimer);
    this.#people.clear();
    this.#hideWakeHint();
    closePanels();
    this.#status.over();
    this.#refreshTools();
  }

  #refused(error) {
    this.#status.state("closed", t("Not open"));
    if (wantsLogin(error)) {
      this.#screen.forgetPicture();
      this.#card.show({
        tone: "ask",
        title: t("Log in first"),
        text: t("Your log-in is missing or has run out."),
        form: loginForm(() => this.start(), error.word),
        formKey: "log-in",
        actions: [{ label: ALL_INSTANCES, run: () => location.assign(below("/")) }],
      });
      return;
    }
    if (!this.#passOn(error.elsewhere)) {
      const ending = withWayThere(endOfAdmission(error), error.elsewhere, this.#instance);
      const { status, word, text } = error;
      this.#stop(ending, {
        title: ending.title,
        last: { error: { code: null, text: [`HTTP ${status}`, word, text].filter(Boolean).join(", ") } },
      });
    }
  }

  /** Say why it is over, and try again by itself where that makes sense. */
  #stop({ title, text, next, detail, link, codes, retry, after_s, action, button, picture }, facts) {
    if (!picture) {
      this.#screen.forgetPicture();
    }
    const run = {
      again: () => this.start(),
      reload: () => location.reload(),
      list: () => location.assign(below("/")),
    }[action];
    const pause_s = retryPause(retry, { attempt: this.#attempt, after_s, chance: Math.random() });
    this.#attempt += 1;
    const again = pause_s !== null;
    this.#retryNow = again ? run : null;
    this.#status.offersLanguage = again;
    if (again) {
      this.#status.state("resuming", t("Waiting to reconnect"));
    }
    const starts = this.#starts(facts.last);
    this.#card.show({
      tone: again ? "wait" : "stop",
      title,
      text,
      next,
      detail,
      link,
      codes,
      countdown: again ? { seconds: pause_s, words: t("Next try in {time}"), done: run } : undefined,
      actions: [...starts, { label: button, run, look: starts.length > 0 ? "" : "primary" }, ...this.#ways(facts).filter(({ label }) => label !== button)],
    });
  }

  // Small things that follow from the facts.

  #refreshTools() {
    const hasPicture = this.#screen.hasPicture;
    enableTools({ mayType: this.#controls && this.#linkIsUp(), hasPicture });
    const told = hasPicture && this.#state?.screen?.width ? this.#state.screen : null;
    this.#status.dimensions(this.#screen.dimensions ?? told);
    this.#showTyping();
  }

  #showTyping() {
    let text = "";
    let chord = "";
    if (this.#linkIsUp()) {
      if (!this.#controls) {
        text = t("Watching only");
      } else {
        const typed = this.#screen.hasFocus || document.activeElement === byId("touch-field");
        text = typed ? t("Keys go to the instance") : t("Click the screen to type");
        chord = this.#screen.hasFocus ? t("leaves it") : t("does so too");
      }
    }
    this.#status.typing(text, chord);
  }
}

new ConsolePage().start();
