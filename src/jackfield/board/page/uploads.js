/**
 * Files on their way to the board: a few at a time, each of which can be cancelled and tried again.
 *
 * What cannot be taken is told before anything of it is sent, as far as the page knows: the board
 * would say the same, but a browser that is still sending may not hear it.
 */

import { BASE } from "./door.js";
import { icon, make } from "./dom.js";
import { sized } from "./sizes.js";
import { t, why } from "./words.js";

const AT_A_TIME = 3;
/** Milliseconds over which a rate is measured, and for which what is done stays. */
const MEASURED = 2000;
const SHOWN = 4000;

/** Write a path as an address has it. @param {string} path */
export function written(path) {
  const one = (name) => encodeURIComponent(name).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return path.split("/").map(one).join("/");
}

/** Where a file of the board is. @param {string} path */
export const placeOf = (path) => new URL(`files/${written(path)}`, BASE);

/**
 * @typedef {{
 *   id: number, file: File, path: string, room: string, replace: boolean,
 *   state: "waits" | "goes" | "done" | "failed", sent: number, rate: number,
 *   why: string, isTaken: boolean, request: XMLHttpRequest | null,
 * }} Upload room: in which it is offered once it is there; "" for none
 */

export class Uploads {
  /**
   * @param {{
   *   changed: () => void, done: (upload: Upload) => void,
   *   most: () => number, sizeOf: (path: string) => number | undefined,
   *   mayReplace: (path: string) => boolean,
   * }} how done: called with one that is on the board. most: bytes that a file may have.
   *   sizeOf: of a file that is there, as far as that is known.
   *   mayReplace: whether this person may, as far as that is known.
   */
  constructor(how) {
    this.how = how;
    /** @type {Upload[]} */
    this.items = [];
    this.number = 0;
    addEventListener("beforeunload", (event) => this.isBusy && event.preventDefault());
  }

  get isBusy() {
    return this.items.some((one) => one.state === "waits" || one.state === "goes");
  }

  /**
   * Have files go.
   * @param {Iterable<File>} files
   * @param {string} folder in which they are to be; "" or with a slash at its end
   * @param {string} room
   */
  add(files, folder = "", room = "") {
    for (const file of files) {
      const path = folder + (file.name || "file");
      this.items.push({
        ...{ id: ++this.number, file, path, room, replace: false, state: "waits", sent: 0, rate: 0 },
        ...{ why: "", isTaken: false, request: null },
      });
    }
    this.next();
  }

  /** Say of a folder that was dropped that it is none of these. @param {string} name */
  refuse(name, room = "") {
    const file = new File([], name);
    this.items.push({
      ...{ id: ++this.number, file, path: name, room, replace: false, state: "failed", sent: 0, rate: 0 },
      ...{ why: t("upload_folder"), isTaken: false, request: null },
    });
    this.how.changed();
  }

  next() {
    for (const one of this.items) {
      if (this.items.filter((other) => other.state === "goes").length >= AT_A_TIME) break;
      if (one.state === "waits") this.begin(one);
    }
    this.how.changed();
  }

  /** @param {Upload} one */
  begin(one) {
    const { file } = one;
    const most = this.how.most();
    const there = this.how.sizeOf(one.path);
    if (file.size > most) return this.fail(one, t("upload_large", { size: sized(file.size), most: sized(most) }));
    if (!one.replace && there !== undefined && there !== file.size) return this.fail(one, t("upload_taken"), true);
    const place = placeOf(one.path);
    if (one.replace) place.search = "replace";
    const request = new XMLHttpRequest();
    let seen = [{ at: performance.now(), sent: 0 }];
    one.state = "goes";
    one.request = request;
    request.upload.onprogress = (event) => {
      const at = performance.now();
      seen = [...seen.filter((point) => at - point.at < MEASURED), { at, sent: event.loaded }];
      one.sent = event.loaded;
      const seconds = (at - seen[0].at) / 1000;
      if (seconds > 0.1) one.rate = (event.loaded - seen[0].sent) / seconds;
      this.how.changed();
    };
    request.onload = () => {
      if (request.status < 300) this.finish(one);
      else if (request.status === 401) location.reload(); // signed out elsewhere
      else this.fail(one, why(request.responseText.trim() || `${request.status}`), request.getResponseHeader("X-Why") === "exists");
    };
    request.onerror = () => this.fail(one, t("upload_lost"));
    request.open("PUT", place);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  }

  finish(one) {
    one.state = "done";
    one.sent = one.file.size;
    this.how.done(one);
    setTimeout(() => this.drop(one), SHOWN);
    this.next();
  }

  fail(one, reason, isTaken = false) {
    one.state = "failed";
    one.why = reason;
    one.isTaken = isTaken;
    this.next();
  }

  /** Stop one, or forget it. @param {Upload} one */
  drop(one) {
    if (one.request) one.request.onload = one.request.onerror = null;
    if (one.state === "goes") one.request?.abort();
    this.items = this.items.filter((other) => other !== one);
    this.next();
  }

  /** Try one again. @param {Upload} one @param {{replace?: boolean, both?: boolean}} how */
  again(one, { replace = false, both = false } = {}) {
    if (both) one.path = this.free(one.path);
    Object.assign(one, { state: "waits", sent: 0, rate: 0, why: "", isTaken: false, replace });
    this.next();
  }

  /** Give a name like this one that nothing has. @param {string} path */
  free(path) {
    const [, stem, number, ending] = /^(.*?)(?: \((\d+)\))?(\.[^./]*)?$/s.exec(path);
    for (let count = Number(number ?? 1) + 1; ; count += 1) {
      const name = `${stem} (${count})${ending ?? ""}`;
      const isTaken = this.items.some((one) => one.path === name) || this.how.sizeOf(name) !== undefined;
      if (!isTaken) return name;
    }
  }
}

/** A list of uploads, as one place of the page shows it. */
export class UploadList {
  /** @param {HTMLElement} place @param {Uploads} uploads */
  constructor(place, uploads) {
    this.place = place;
    this.uploads = uploads;
    /** @type {Map<number, Row>} */
    this.rows = new Map();
  }

  /** Show these. @param {Upload[]} items */
  render(items) {
    for (const [id, row] of this.rows) {
      if (items.some((one) => one.id === id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    for (const one of items) {
      let row = this.rows.get(one.id);
      if (!row) {
        row = new Row(one, this.uploads);
        this.rows.set(one.id, row);
        this.place.append(row.element);
      }
      row.update();
    }
    this.place.hidden = !items.length;
  }
}

class Row {
  /** @param {Upload} one @param {Uploads} uploads */
  constructor(one, uploads) {
    this.one = one;
    this.uploads = uploads;
    this.name = make("bdi", { class: "upload-name" });
    this.note = make("span", { class: "upload-note" });
    this.bar = /** @type {any} */ (make("progress", { max: Math.max(1, one.file.size) }));
    const action = (key, click) => make("button", { type: "button", class: "small-button", text: t(key), on: { click } });
    this.retry = action("upload_again", () => uploads.again(one));
    this.replace = action("upload_replace", () => uploads.again(one, { replace: true }));
    this.both = action("upload_both", () => uploads.again(one, { both: true }));
    this.close = make("button", { type: "button", class: "icon-button small", on: { click: () => uploads.drop(one) } }, icon("close"));
    this.element = make(
      "li",
      { class: "upload" },
      make("div", { class: "upload-about" }, this.name, this.note, this.bar),
      make("div", { class: "upload-buttons" }, this.retry, this.replace, this.both),
      this.close,
    );
  }

  update() {
    const { one } = this;
    const name = one.path.split("/").at(-1);
    const isWhole = one.sent >= one.file.size && one.file.size > 0;
    this.element.dataset.state = one.state;
    if (this.name.textContent !== name) {
      this.name.textContent = name;
      this.bar.setAttribute("aria-label", name);
    }
    this.bar.value = one.state === "done" ? this.bar.max : one.sent;
    this.bar.hidden = one.state === "failed";
    const label = t(one.state === "waits" || one.state === "goes" ? "upload_cancel" : "upload_drop", { name });
    this.close.setAttribute("aria-label", label);
    this.close.title = label;
    this.retry.hidden = one.state !== "failed" || one.isTaken || !one.file.size;
    this.both.hidden = !one.isTaken;
    this.replace.hidden = !one.isTaken || !this.uploads.how.mayReplace(one.path);
    let note = one.why;
    if (one.state === "waits") note = t("upload_waits");
    else if (one.state === "done") note = t("upload_done");
    else if (one.state === "goes" && isWhole) note = t("upload_keeping");
    else if (one.state === "goes") {
      note = t(one.rate ? "upload_going" : "upload_begun", { done: sized(one.sent), all: sized(one.file.size), rate: sized(one.rate) });
    }
    this.note.textContent = note;
    this.note.classList.toggle("why", one.state === "failed");
    if (one.state === "failed") this.note.setAttribute("role", "alert");
    else this.note.removeAttribute("role");
  }
}

/**
 * Take the files that are dropped on a part of the page.
 * @param {HTMLElement} place
 * @param {(files: File[], folders: string[]) => void} take
 */
export function takeDrops(place, take) {
  let timer = 0;
  const isOver = (event) => event.dataTransfer?.types.includes("Files");
  const show = (is) => place.classList.toggle("dropping", is);
  place.addEventListener("dragover", (event) => {
    if (!isOver(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    show(true);
    clearTimeout(timer);
    timer = setTimeout(() => show(false), 400); // nothing tells reliably that it has left
  });
  place.addEventListener("drop", (event) => {
    if (!isOver(event)) return;
    event.preventDefault();
    show(false);
    const files = [];
    const folders = [];
    for (const item of event.dataTransfer.items) {
      const entry = item.webkitGetAsEntry?.();
      const file = item.getAsFile();
      if (entry?.isDirectory) folders.push(entry.name);
      else if (file) files.push(file);
    }
    take(files, folders);
  });
}
