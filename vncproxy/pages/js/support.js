/** What whoever is asked for help wants to know of a failure: facts, and no secret. */

import { COLON, t } from "./texts.js";

/**
 * The facts as lines of text. Pure.
 * @param {{title: string, at: Date, page: string, instance?: {id: string, alias?: string, region?: string}|null,
 *   viewer?: string, close?: {code: number, reason: string}|null,
 *   last?: {state?: string, attempt?: number, instance_status?: string|null,
 *     error?: import("./clouderrors.js").CloudFailure|null}|null}} facts
 *   page: the address without what follows the path; last: the daemon's last state message
 */
export function supportText({ title, at, page, instance, viewer, close, last }) {
  const error = last?.error;
  const alias = instance?.alias && instance.alias !== instance.id ? ` (${instance.alias})` : "";
  return [
    ["vncproxy", title],
    [t("Time"), at.toISOString()],
    [t("Page"), page],
    [t("Instance"), instance && `${instance.id}${alias}${instance.region ? `, ${instance.region}` : ""}`],
    [t("Instance’s state"), last?.instance_status],
    [t("Console’s state"), last?.state && (last.attempt > 1 ? t("{state}, try {number}", { state: last.state, number: last.attempt }) : last.state)],
    [t("Close code"), close && [close.code, close.reason].filter(Boolean).join(" ")],
    [t("Cloud’s code"), error?.code],
    [t("Action"), error?.action && `ecs:${error.action}`],
    [t("Request id"), error?.request_id],
    [t("Error"), error?.text],
    [t("Viewer"), viewer],
  ]
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}${COLON}${value}`)
    .join("\n");
}

/** Put a text on the clipboard; says whether the browser let it. @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Neither https nor localhost, or not allowed.
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  const before = document.activeElement;
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
    before?.focus?.({ preventScroll: true });
  }
}
