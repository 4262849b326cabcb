/** Bytes as people read them. */

import { locale } from "./words.js";

const UNITS = ["KiB", "MiB", "GiB", "TiB"];

/**
 * Say how many bytes.
 * @param {number} count
 * @param {string} language that the number is written by
 */
export function sized(count, language = locale) {
  let unit = "B";
  for (const more of UNITS) {
    if (count < 1024) break;
    count /= 1024;
    unit = more;
  }
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  return `${number.format(unit === "B" ? Math.round(count) : count)} ${unit}`;
}
