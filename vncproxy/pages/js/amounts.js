/** Amounts of bytes and of time, in few characters. Pure. */

import { t } from "./texts.js";

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A number of bytes with at most three digits: `1.2 MB`. @param {number} bytes */
export function amount(bytes) {
  let size = bytes;
  let unit = 0;
  while (Math.round(size) >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size.toFixed(unit && size < 9.95 ? 1 : 0)} ${UNITS[unit]}`;
}

/** How fast bytes flow: `1.2 MB/s`. @param {{bytes_per_s: number}} flow */
export function speed({ bytes_per_s }) {
  return `${amount(bytes_per_s)}/s`;
}

const two = (number) => String(number).padStart(2, "0");

/** How long something has been so: `12 s`, `12 min`, `1 h 02 min`, `2 d 03 h`. @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) {
    return t("{seconds} s", { seconds: whole });
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) {
    return t("{minutes} min", { minutes });
  }
  const hours = Math.floor(minutes / 60);
  return hours < 24
    ? t("{hours} h {minutes} min", { hours, minutes: two(minutes % 60) })
    : t("{days} d {hours} h", { days: Math.floor(hours / 24), hours: two(hours % 24) });
}
