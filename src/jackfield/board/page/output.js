/**
 * The output of a command, as lines: the newest of them, and text that is only ever text.
 *
 * 1. What has come is shown a moment later, together with what comes in that moment; in a page that
 *    nobody sees it is taken at once, since a browser lets its timers wait for long.
 * 2. Who made it is told once it was taken: so no more is on the way than was agreed on.
 * 3. No more than `MOST_LINES` lines of `MOST_CHARS` characters are kept.
 */

import { make } from "./dom.js";
import { t } from "./words.js";

export const MOST_LINES = 1000;
const MOST_CHARS = 2000;
const MOMENT = 40;

/** What the streams are called, by their numbers. */
const NAMES = ["in", "out", "err"];

/** @typedef {{stream: number, text: string, element: HTMLElement | null, isNew: boolean}} Line */

export class Output {
  /**
   * @param {string} label what a screen reader calls it
   * @param {(stream: number, bytes: number) => void} used told of how much was taken
   */
  constructor(label, used) {
    this.used = used;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {(Line | null)[]} by stream, the line that has not ended */
    this.open = [null, null, null];
    this.decoders = NAMES.map(() => new TextDecoder());
    /** @type {[number, Uint8Array][]} */
    this.waiting = [];
    this.timer = 0;
    this.left = 0;
    this.note = make("p", { class: "note", hidden: true });
    this.list = make("div", { class: "output", role: "log", "aria-live": "off", "aria-label": label, tabindex: 0, hidden: true });
    this.element = make("div", { class: "outputs" }, this.note, this.list);
  }

  /** Take a piece of a stream. @param {number} stream @param {Uint8Array} bytes */
  add(stream, bytes) {
    this.waiting.push([stream, bytes]);
    if (document.hidden) this.show();
    else this.timer ||= setTimeout(() => this.show(), MOMENT);
  }

  /** Show what waits, at once. */
  show() {
    clearTimeout(this.timer);
    this.timer = 0;
    const taken = [0, 0, 0];
    for (const [stream, bytes] of this.waiting.splice(0)) {
      this.take(stream, this.decoders[stream].decode(bytes, { stream: true }));
      taken[stream] += bytes.length;
    }
    this.render();
    taken.forEach((bytes, stream) => bytes && this.used(stream, bytes));
  }

  /** Nothing more comes: what is cut in the middle of a character is shown as such. */
  end() {
    this.show();
    this.decoders.forEach((decoder, stream) => this.take(stream, decoder.decode()));
    this.render();
  }

  /** @param {number} stream @param {string} text */
  take(stream, text) {
    const parts = text.split("\n");
    parts.forEach((part, at) => {
      const isLast = at === parts.length - 1;
      if (part || !isLast) this.append(stream, part);
      if (!isLast) this.open[stream] = null;
    });
    this.drop();
  }

  append(stream, part) {
    let line = this.open[stream] ?? this.begin(stream);
    line.text = afterReturn(line.text + part);
    while (line.text.length > MOST_CHARS) {
      const rest = line.text.slice(MOST_CHARS);
      line.text = line.text.slice(0, MOST_CHARS);
      line.isNew = true;
      line = this.begin(stream);
      line.text = rest;
    }
    line.isNew = true;
  }

  begin(stream) {
    const line = { stream, text: "", element: null, isNew: true };
    this.lines.push(line);
    this.open[stream] = line;
    if (this.lines.length > 2 * MOST_LINES) this.drop();
    return line;
  }

  /** Drop the oldest lines, past the bound. */
  drop() {
    const past = this.lines.splice(0, Math.max(0, this.lines.length - MOST_LINES));
    for (const line of past) {
      line.element?.remove();
      if (this.open[line.stream] === line) this.open[line.stream] = null;
    }
    this.left += past.length;
  }

  render() {
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 30;
    const fresh = document.createDocumentFragment();
    for (const line of this.lines) {
      if (!line.isNew) continue;
      line.isNew = false;
      if (!line.element) {
        const name = NAMES[line.stream];
        line.element = make("div", { class: `line-of ${name}` }, make("span", { class: "stream", text: t(`stream_${name}`) }), make("span", { class: "said", dir: "auto" }));
        fresh.append(line.element);
      }
      line.element.lastChild.textContent = shown(line.text);
    }
    this.list.append(fresh);
    this.list.hidden = !this.lines.length;
    this.note.textContent = t("run_left", { n: this.left });
    this.note.hidden = !this.left;
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }
}

/** Leave out what was written over: a return goes back to where the line begins. @param {string} text */
function afterReturn(text) {
  const end = text.search(/\r*$/);
  return text.slice(text.lastIndexOf("\r", end - 1) + 1);
}

/** Make characters seen that do something to a terminal. @param {string} text */
function shown(text) {
  return text
    .replace(/\r+$/, "")
    .replace(/[\0-\x08\x0b-\x1f]/g, (char) => String.fromCharCode(0x2400 + char.charCodeAt(0)))
    .replace(/\x7f/g, "\u2421")
    .replace(/[\x80-\x9f]/g, "\ufffd");
}
