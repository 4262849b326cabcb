/** Where messages are written: Enter sends, `@` offers names, a slash begins a command. */

import { avatar, byId, make } from "./dom.js";
import { run } from "./commands.js";
import { keyOf } from "./rooms.js";
import { t } from "./words.js";

const MOST = 4000;
const MOST_OFFERED = 6;
const MENTIONING = /(^|[^\p{L}\p{N}_@/])@([\p{L}\p{N}_.-]*)$/u;

export class Composer {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.text = byId("text");
    this.choices = byId("choices");
    this.hint = byId("hint");
    this.offered = [];
    this.at = 0;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.text.addEventListener("input", () => this.changed());
    this.text.addEventListener("keydown", (event) => this.onKey(event));
    this.text.addEventListener("blur", () => this.offer([]));
  }

  /** Turn to a room; what was begun there comes back. @param {import("./rooms.js").Room} room */
  turnTo(room, before) {
    if (before) before.draft = this.text.value;
    this.text.value = room.draft;
    const label = t("say_in", { room: this.app.rooms.titleOf(room) });
    this.text.placeholder = label;
    this.text.setAttribute("aria-label", label);
    this.changed();
  }

  focus() {
    this.text.focus();
  }

  /** Write something where the cursor is. @param {string} text */
  insert(text) {
    this.text.setRangeText(text, this.text.selectionStart, this.text.selectionEnd, "end");
    this.changed();
  }

  changed() {
    const { text } = this;
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
    this.app.log.resized(); // it was longer for a moment, and has lost its place at the end
    const left = MOST - [...text.value.trim()].length;
    this.hint.textContent = left < 200 ? t("text_left", { n: left }) : t("hint");
    this.hint.classList.toggle("why", left < 0);
    byId("send").disabled = !text.value.trim() || left < 0;
    this.offer(this.names());
  }

  names() {
    const before = this.text.value.slice(0, this.text.selectionStart);
    const found = MENTIONING.exec(before);
    if (!found || document.activeElement !== this.text) return [];
    const wanted = keyOf(found[2]);
    const { room, rooms } = this.app;
    const names = room.names ?? [...rooms.shown.values()];
    return names
      .filter((name) => keyOf(name).startsWith(wanted) && keyOf(name) !== keyOf(rooms.me))
      .filter((name) => keyOf(name) !== wanted)
      .slice(0, MOST_OFFERED);
  }

  offer(names) {
    this.offered = names;
    this.at = 0;
    this.choices.hidden = !names.length;
    this.choices.replaceChildren(
      ...names.map((name, index) =>
        make(
          "div",
          {
            class: "option",
            role: "option",
            id: `offer-${index}`,
            on: {
              pointerdown: (event) => {
                event.preventDefault();
                this.mention(index);
              },
            },
          },
          avatar(name),
          make("bdi", { text: name }),
        ),
      ),
    );
    this.mark();
  }

  mark() {
    [...this.choices.children].forEach((one, index) =>
      one.setAttribute("aria-selected", String(index === this.at)),
    );
    if (this.offered.length) this.text.setAttribute("aria-activedescendant", `offer-${this.at}`);
    else this.text.removeAttribute("aria-activedescendant");
  }

  mention(index) {
    const end = this.text.selectionStart;
    const start = this.text.value.slice(0, end).lastIndexOf("@");
    this.text.setRangeText(`@${this.offered[index]} `, start, end, "end");
    this.changed();
  }

  onKey(event) {
    // an input method has its own use for these keys; some browsers say so by 229 alone
    if (event.isComposing || event.keyCode === 229) return;
    const count = this.offered.length;
    if (count && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      this.at = (this.at + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
      this.mark();
    } else if (count && ((event.key === "Tab" && !event.shiftKey) || event.key === "Enter")) {
      event.preventDefault();
      this.mention(this.at);
    } else if (count && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.offer([]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    }
  }

  async send() {
    const typed = this.text.value;
    const said = typed.trim();
    if (!said || [...said].length > MOST) return;
    const { app } = this;
    if (said.startsWith("/") && !said.startsWith("//")) {
      if (!(await run(app, said.slice(1)))) return;
      if (this.text.value === typed) this.text.value = "";
    } else {
      this.text.value = "";
      app.say(said.startsWith("//") ? said.slice(1) : said);
    }
    this.changed();
  }
}
