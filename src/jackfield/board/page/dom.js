/** Making elements. Text is only ever text: nothing here, or anywhere on the page, parses HTML. */

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} props attributes; `text` is its text, `on` its listeners by event,
 *   and what is null, undefined or false is left out
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElement}
 */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") {
      for (const [event, call] of Object.entries(value)) element.addEventListener(event, call);
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** @param {string} id @returns {any} the element of an id */
export const byId = (id) => document.getElementById(id);

const PATHS = {
  chat: "M4 5h16v11H10l-5 4v-4H4z",
  board: "M4 5h16v6H4zm0 8h16v6H4zM7.5 8h.1m-.1 8h.1M11 8h5m-5 8h5",
  files: "M4 6h6l2 2.5h8V19H4zM12 16.5v-5m-2.2 2.2L12 11.5l2.2 2.2",
  file: "M6 3h8l4 4v14H6zm8 0v4h4M9 12h6M9 16h6",
  folder: "M4 6h6l2 2.5h8V19H4z",
  download: "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5.5m3-5.5v5.5",
  clip: "M19 11.5 12 18.5a4.3 4.3 0 0 1-6-6.1l7.6-7.5a2.9 2.9 0 0 1 4.1 4.1l-7.6 7.5a1.45 1.45 0 0 1-2-2l6.4-6.4",
  back: "M19 12H5m6-6-6 6 6 6",
  commands: "M4 5h16v14H4zM7.5 9.5l3 2.5-3 2.5M12.5 15h4",
  menu: "M4 7h16M4 12h16M4 17h16",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zm5-2 5 5",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zm-6.5 9c.3-4 2.7-6 6.5-6s6.2 2 6.5 6M16 4.5a3.3 3.3 0 0 1 0 6.3M18 14.5c2 .8 3.2 2.6 3.5 5.5",
  send: "M3.5 4.5 21 12 3.5 19.5 5.5 12zM5.5 12H12",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zm-7 10a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  close: "M6 6l12 12M18 6 6 18",
  hash: "M5 9h15M4 15h15M10 4 8 20M16 4l-2 16",
  at: "M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zm3.5-7v5c0 3 4.5 2.5 4.5-1.5a8 8 0 1 0-3.5 6.6",
  plus: "M12 5v14M5 12h14",
  down: "M12 5v14m-6-6 6 6 6-6",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zm0-12v4l3 2",
  warn: "M12 4 3 20h18zm0 6v4m0 3v.1",
  mute: "M4 9v6h4l5 4V5L8 9zm13 1 4 4m0-4-4 4",
  out: "M14 5h5v14h-5M4 12h10m-4-4 4 4-4 4",
};

/** @param {string} name @returns {SVGElement} an icon, of no meaning to a screen reader */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * The circle that stands for somebody: the first character of their name, in a colour of theirs.
 * @param {string} name
 */
export function avatar(name) {
  const circle = make("span", { class: "avatar", "aria-hidden": "true" });
  dress(circle, name);
  return circle;
}

/** Make an element look as `avatar()` does. @param {HTMLElement} circle @param {string} name */
export function dress(circle, name) {
  let sum = 2166136261;
  for (const char of name.toLowerCase()) sum = Math.imul(sum ^ char.codePointAt(0), 16777619);
  circle.className = `avatar hue-${((sum >>> 13) ^ (sum >>> 24)) & 7}`;
  circle.textContent = [...name][0]?.toUpperCase() ?? "?";
}

/** In what time is told, and the seconds of each. @type {[Intl.RelativeTimeFormatUnitSingular, number][]} */
export const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** Remember a setting in this browser, if it keeps anything. */
export function keep(name, value) {
  try {
    if (value) localStorage.setItem(`jackfield.${name}`, value);
    else localStorage.removeItem(`jackfield.${name}`);
  } catch {
    // it keeps nothing: the setting lasts as long as the page
  }
}

/** @param {string} name @returns {string} a setting that was kept; "" without one */
export function kept(name) {
  try {
    return localStorage.getItem(`jackfield.${name}`) ?? "";
  } catch {
    return "";
  }
}

/** Decode a part of an address; what cannot be decoded stays as it is. @param {string} text */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Show why something was not done, or nothing. @param {HTMLElement} place @param {string} why */
export function showWhy(place, why) {
  place.textContent = why;
  place.hidden = !why;
}
