/** The choice of the language: kept by the browser for all pages of vncproxy. */

import { basePath } from "./basepath.js";
import { element } from "./elements.js";
import { t } from "./texts.js";

/** The daemon reads it, too: it puts the pages into this language. */
const COOKIE = "vncproxy-language";
const KEPT_S = 365 * 24 * 3600;

/** Each is called so in every language: who can't read the page has to find it. */
const CHOICES = [
  { name: "auto", tag: "mul", called: "Auto · 自动" },
  { name: "en", tag: "en", called: "English" },
  { name: "zh", tag: "zh-CN", called: "中文" },
];

/** "auto" where the configuration's or the browser's own counts. @param {string} cookies @returns {string} */
export function chosenIn(cookies) {
  const kept = cookies.split("; ").find((cookie) => cookie.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
  return CHOICES.find(({ name }) => name === kept)?.name ?? "auto";
}

/** The cookie that keeps a choice; that of "auto" is gone at once. @param {string} name @param {string} path */
export function cookieOf(name, path) {
  return `${COOKIE}=${name}; Path=${path || "/"}; Max-Age=${name === "auto" ? 0 : KEPT_S}; SameSite=Lax`;
}

/**
 * A list that loads the page anew in the language that is chosen.
 * @param {string} [look]
 * @param {() => void} [before] called before the page goes
 */
export function languageSwitch(look = "quiet", before = () => {}) {
  const choose = ({ target }) => {
    before();
    document.cookie = cookieOf(target.value, basePath());
    location.reload();
  };
  const list = element(
    "select",
    { class: look, id: "language", "aria-label": t("Language"), title: t("Language"), on: { change: choose } },
    ...CHOICES.map(({ name, tag, called }) => element("option", { value: name, lang: tag, text: called })),
  );
  list.value = chosenIn(document.cookie);
  return list;
}
