/**
 * The board's files: listed, put, got and deleted.
 *
 * The list is asked for when the board says that it has changed and somebody looks, and not
 * otherwise. What has not changed is left as it is, so that what has the focus keeps it.
 */

import { post } from "./door.js";
import { byId, icon, make } from "./dom.js";
import { timeOf } from "./log.js";
import { sized } from "./sizes.js";
import { isSure } from "./sure.js";
import { UploadList, Uploads, placeOf, takeDrops } from "./uploads.js";
import { locale, t, why } from "./words.js";

const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const date = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });

const MOST = 5000;
const AGAIN = 3000;
/** Milliseconds after an upload of one's own in which a change is taken for that. */
const OWN = 3000;

/** @typedef {{name: string, kind: string, size: number, modified: number, put?: number, owner?: string, mine: boolean}} Entry */

export class FilesTab {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.mayPut = app.me.files.put;
    this.folder = "";
    this.isShown = false;
    this.isStale = true;
    this.asked = 0;
    this.timer = 0;
    this.most = Infinity;
    this.mayRemove = true;
    this.ownAt = -OWN;
    /** @type {Map<string, Entry>} */
    this.known = new Map();
    /** @type {Map<string, {element: HTMLElement, sign: string}>} */
    this.rows = new Map();
    this.uploads = new Uploads({
      changed: () => this.renderUploads(),
      done: (one) => this.arrived(one),
      most: () => this.most,
      sizeOf: (path) => this.known.get(path)?.size,
      mayReplace: (path) => this.mayRemove && (this.known.get(path)?.mine ?? true),
    });
    this.onTab = new UploadList(byId("uploads"), this.uploads);
    this.inRoom = new UploadList(byId("attached"), this.uploads);
    this.listen();
  }

  listen() {
    byId("files-add").hidden = byId("attach").hidden = !this.mayPut;
    byId("files-drop").hidden = !this.mayPut;
    byId("curl").hidden = !this.mayPut;
    byId("files-up").addEventListener("click", () => this.go(this.folder.replace(/[^/]+\/$/, "")));
    byId("curl-make").addEventListener("click", () => this.makeToken());
    byId("curl-copy").addEventListener("click", () => this.copy());
    if (!this.mayPut) return;
    const choose = (button, input, take) => {
      byId(button).addEventListener("click", () => byId(input).click());
      byId(input).addEventListener("change", () => {
        take([...byId(input).files]);
        byId(input).value = "";
      });
    };
    choose("files-add", "files-chosen", (files) => this.put(files));
    byId("files-drop").addEventListener("click", () => byId("files-chosen").click());
    choose("attach", "attach-chosen", (files) => this.offer(files));
    takeDrops(byId("view-files"), (files, folders) => this.put(files, folders));
    takeDrops(byId("view-chat"), (files, folders) => this.offer(files, folders));
    byId("text").addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.offer(files.map(named));
    });
  }

  /** Put files into the folder that is looked at. @param {File[]} files @param {string[]} folders */
  put(files, folders = []) {
    for (const name of folders) this.uploads.refuse(name);
    this.uploads.add(files, this.folder);
  }

  /** Put files there, and offer them in the room that is looked at. */
  offer(files, folders = []) {
    const room = this.app.room?.name;
    if (!room) return;
    for (const name of folders) this.uploads.refuse(name, room);
    this.uploads.add(files, "", room);
  }

  /** Another room is looked at. @param {import("./rooms.js").Room} room */
  turnTo(room) {
    byId("room-drop").textContent = t("files_drop_room", { room: this.app.rooms.titleOf(room) });
    this.renderUploads();
  }

  /** @param {import("./uploads.js").Upload} one */
  arrived(one) {
    this.ownAt = performance.now();
    const text = t("upload_there", { name: one.path.split("/").at(-1) });
    byId("files-said").textContent = text;
    if (one.room) this.app.outbox.say(one.room, this.app.cards.textOf(one.path, one.file.size));
  }

  renderUploads() {
    const room = this.app.room?.name;
    this.onTab.render(this.uploads.items);
    byId("uploads-part").hidden = !this.uploads.items.length;
    this.inRoom.render(this.uploads.items.filter((one) => one.room && one.room === room));
    this.app.log?.resized();
  }

  /** Begin to look, or end it. @param {boolean} isShown */
  look(isShown) {
    this.isShown = isShown;
    if (!isShown) return;
    this.app.tabs.mark("files", "");
    if (this.isStale) this.refresh();
  }

  /** The board says that files have changed, or may have. */
  changed() {
    this.isStale = true;
    if (this.isShown && !document.hidden) this.refresh();
    else if (performance.now() - this.ownAt > OWN) this.app.tabs.mark("files", t("files_new"));
  }

  /** The connection is there, or there again: nobody has told what was changed meanwhile. */
  returned() {
    this.isStale = true;
    if (this.isShown) this.refresh();
  }

  /** Look at a folder. @param {string} folder */
  go(folder) {
    this.folder = folder;
    this.rows.clear();
    byId("file-list").replaceChildren();
    this.refresh();
    byId("files-title").focus();
  }

  async refresh() {
    clearTimeout(this.timer);
    const asked = ++this.asked;
    const { folder } = this;
    this.isStale = false;
    try {
      const found = await list(folder);
      if (asked !== this.asked) return;
      this.most = found.max_file;
      this.mayRemove = !found.read_only && !found.no_remove;
      for (const path of this.known.keys()) if (path.startsWith(folder)) this.known.delete(path);
      for (const one of found.files) this.known.set(folder + one.name, one);
      this.showWhy("");
      this.render(found);
    } catch (error) {
      if (asked !== this.asked) return;
      if (error.status === 401) location.reload();
      this.isStale = true;
      if (error.status === 404 && folder) this.go("");
      else {
        this.showWhy(error.status ? why(error.message) : t("files_lost"));
        this.timer = setTimeout(() => this.isShown && this.refresh(), AGAIN);
      }
    }
  }

  showWhy(text) {
    const place = byId("files-why");
    place.textContent = text;
    place.hidden = !text;
  }

  // What is shown

  render({ files, more }) {
    const { folder } = this;
    const entries = [...files].sort(
      (one, other) => Number(other.kind === "folder") - Number(one.kind === "folder") || at(other) - at(one) || (one.name < other.name ? -1 : 1),
    );
    const place = byId("file-list");
    const known = this.rows;
    this.rows = new Map();
    let next = place.firstChild;
    for (const one of entries) {
      const sign = JSON.stringify([one, whenOf(at(one)), this.mayRemove]);
      const old = known.get(one.name);
      const element = old?.sign === sign ? old.element : this.row(one);
      this.rows.set(one.name, { element, sign });
      if (element === next) next = next.nextSibling;
      else place.insertBefore(element, next);
    }
    const kept = new Set([...this.rows.values()].map((one) => one.element));
    for (const child of [...place.children]) if (!kept.has(child)) child.remove();
    place.hidden = !entries.length;
    byId("files-none").hidden = !!entries.length;
    byId("files-none").textContent = t(folder ? "files_none_here" : this.mayPut ? "files_none" : "files_none_guest");
    byId("files-more").hidden = !more;
    byId("files-more").textContent = t("files_more", { n: entries.length });
    const names = folder.split("/").slice(0, -1);
    byId("files-place").hidden = !folder;
    byId("files-up").setAttribute("aria-label", t("files_up", { folder: names.at(-2) ?? t("files_root") }));
    byId("files-folder").textContent = names.join(" / ");
  }

  /** @param {Entry} one */
  row(one) {
    const { name } = one;
    const path = this.folder + name;
    const isFolder = one.kind === "folder";
    const when = whenOf(at(one));
    const title = isFolder
      ? make("button", { type: "button", class: "file-name", "aria-label": t("file_open", { name }), on: { click: () => this.go(`${path}/`) } })
      : make("a", { class: "file-name", href: placeOf(path).href, download: name });
    title.append(make("bdi", { text: name }));
    const buttons = make("div", { class: "file-buttons" });
    const button = (key, picture, click) => {
      const label = t(key, { name });
      buttons.append(make("button", { type: "button", class: "icon-button", title: label, "aria-label": label, on: { click } }, icon(picture)));
    };
    if (!isFolder) {
      const label = t("file_get", { name });
      buttons.append(make("a", { class: "icon-button", href: placeOf(path).href, download: name, title: label, "aria-label": label }, icon("download")));
      button("file_offer", "chat", () => this.offerThere(path, one.size));
    }
    if (one.mine && this.mayRemove) button("file_remove", "bin", () => this.remove(path, name));
    return make(
      "li",
      { class: "file", "data-name": name },
      icon(isFolder ? "folder" : "file"),
      make(
        "div",
        { class: "file-about" },
        title,
        make("span", { class: "file-facts", text: isFolder ? t("file_folder") : sized(one.size) }),
        make("span", { class: "file-facts", text: one.owner ? t("file_by", { who: one.owner, when }) : when }),
      ),
      buttons,
    );
  }

  /** Write what offers a file where messages are written; whoever wrote it sends it. */
  offerThere(path, size) {
    this.app.open(this.app.room.name);
    this.app.composer.insert(this.app.cards.textOf(path, size));
    this.app.composer.focus();
  }

  async remove(path, name) {
    if (!(await isSure(t("sure_remove", { name }), t("sure_remove_text"), t("do_remove")))) return;
    this.ownAt = performance.now();
    try {
      const answer = await fetch(placeOf(path), { method: "DELETE" });
      if (!answer.ok && answer.status !== 404) throw new Error((await answer.text()).trim());
      this.showWhy("");
    } catch (error) {
      this.showWhy(error instanceof TypeError ? t("upload_lost") : why(error.message));
    }
    this.refresh();
    byId("files-title").focus();
  }

  // For programs

  async makeToken() {
    byId("curl-why").hidden = true;
    try {
      const { token } = await post("token", {});
      byId("curl-command").textContent = `curl -H "Authorization: Bearer ${token}" -T FILE ${placeOf("")}`;
      byId("curl-command").hidden = byId("curl-copy").hidden = false;
      byId("curl-copy").textContent = t("curl_copy");
      byId("curl-copy").focus();
    } catch (error) {
      byId("curl-why").textContent = error instanceof TypeError ? t("upload_lost") : why(error.message);
      byId("curl-why").hidden = false;
    }
  }

  async copy() {
    const place = byId("curl-command");
    try {
      await navigator.clipboard.writeText(place.textContent);
      byId("curl-copy").textContent = t("copied");
    } catch {
      getSelection().selectAllChildren(place); // no clipboard over plain HTTP
    }
  }
}

/** When a file was put there, or else changed. @param {Entry} one */
const at = (one) => one.put ?? one.modified;

/** Say when something was, in little room. @param {number} seconds since 1970 */
function whenOf(seconds) {
  const then = new Date(seconds * 1000);
  const now = new Date();
  if (then.toDateString() === now.toDateString()) return `${t("today")} ${timeOf(seconds)}`;
  return then.getFullYear() === now.getFullYear() ? `${day.format(then)} ${timeOf(seconds)}` : date.format(then);
}

/** Name a picture that was pasted, all of which are called alike. @param {File} file */
function named(file) {
  if (file.name !== "image.png") return file;
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
  return new File([file], `${now.slice(0, 19).replace("T", " ").replaceAll(":", ".")}.png`, { type: file.type });
}

/** Ask for all files of a folder, up to a bound. @param {string} folder */
async function list(folder) {
  const files = [];
  for (;;) {
    const place = placeOf(folder);
    place.searchParams.set("json", "");
    if (files.length) place.searchParams.set("after", files.at(-1).name);
    const answer = await fetch(place, { cache: "no-store" });
    if (!answer.ok) throw Object.assign(new Error((await answer.text()).trim()), { status: answer.status });
    const found = await answer.json();
    files.push(...found.files);
    if (!found.more || !found.files.length || files.length >= MOST) return { ...found, files };
  }
}
