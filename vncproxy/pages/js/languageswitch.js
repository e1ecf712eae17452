/** The switch to the other language: kept by the browser for all pages of vncproxy. */

import { basePath } from "./basepath.js";
import { element } from "./elements.js";
import { language } from "./texts.js";

/** The daemon reads it, too: it puts the pages into this language. */
const COOKIE = "vncproxy-language";
const KEPT_S = 365 * 24 * 3600;

const OTHER = language === "zh" ? { name: "en", tag: "en", called: "English" } : { name: "zh", tag: "zh-CN", called: "中文" };

function switchLanguage() {
  document.cookie = `${COOKIE}=${OTHER.name}; Path=${basePath() || "/"}; Max-Age=${KEPT_S}; SameSite=Lax`;
  location.reload();
}

/** A button that loads the page anew in the other language, which it is called by. @param {string} [look] */
export function languageSwitch(look = "quiet") {
  return element("button", {
    type: "button",
    class: look,
    id: "language",
    lang: OTHER.tag,
    text: OTHER.called,
    on: { click: switchLanguage },
  });
}
