/** Going anywhere by the keyboard: rooms, people, messages. And the search of what was said. */

import { avatar, byId, icon, make } from "./dom.js";
import { dayOf, timeOf } from "./log.js";
import { keyOf } from "./rooms.js";
import { nodesOf } from "./text.js";
import { t, why } from "./words.js";

export class Palette {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.dialog = byId("palette");
    this.text = byId("palette-text");
    this.list = byId("palette-list");
    this.others = [];
    this.at = 0;
    this.text.addEventListener("input", () => this.render());
    this.text.addEventListener("keydown", (event) => this.onKey(event));
  }

  show() {
    this.text.value = "";
    this.others = [];
    this.render();
    this.dialog.showModal();
    this.text.focus();
    this.app.link.ask("rooms").then(
      (answer) => {
        this.others = answer.rooms.filter((one) => !one.in);
        this.render();
      },
      () => {},
    );
  }

  /** Give what there is to choose from: groups of choices. */
  choices() {
    const { app } = this;
    const { rooms } = app;
    const typed = this.text.value.trim();
    const wanted = keyOf(typed.replace(/^[#@]/, ""));
    const fits = (name) => keyOf(name).includes(wanted);
    const mine = rooms.sorted
      .filter((room) => fits(rooms.titleOf(room)))
      .sort((a, b) => Number(b.unread > 0) - Number(a.unread > 0));
    const groups = [
      [
        t("find_in"),
        mine.slice(0, 8).map((room) => ({
          icon: room.kind === "direct" ? avatar(rooms.titleOf(room)) : icon("hash"),
          text: room.kind === "direct" ? rooms.titleOf(room) : room.name,
          note: room.unread ? t("unread", { n: room.unread }) : "",
          go: () => app.open(room.name),
        })),
      ],
      [
        t("find_rooms"),
        this.others
          .filter((one) => fits(one.room))
          .slice(0, 8)
          .map((one) => ({
            icon: icon("hash"),
            text: one.room,
            note: one.topic || t("people_here", { n: one.count }),
            go: () => app.join(one.room),
          })),
      ],
    ];
    if (wanted) {
      const known = new Set(rooms.sorted.map((room) => room.with));
      const people = [...rooms.shown]
        .filter(([key]) => key !== keyOf(rooms.me) && !known.has(key) && key.includes(wanted))
        .slice(0, 6);
      groups.push([
        t("find_people"),
        people.map(([, name]) => ({ icon: avatar(name), text: name, note: "", go: () => app.direct(name) })),
      ]);
      const more = [
        {
          icon: icon("search"),
          text: t("find_said", { text: typed }),
          note: "",
          go: () => app.search.show(typed),
        },
      ];
      const isKnown = rooms.all.has(wanted) || this.others.some((one) => one.room === wanted);
      if (!isKnown && /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(wanted)) {
        more.push({ icon: icon("plus"), text: t("find_join", { name: wanted }), note: "", go: () => app.join(wanted) });
      }
      groups.push(["", more]);
    }
    return groups.filter(([, list]) => list.length);
  }

  render() {
    const rows = [];
    this.chosen = [];
    for (const [title, list] of this.choices()) {
      if (title) rows.push(make("li", { class: "group", role: "presentation", text: title }));
      for (const one of list) {
        const index = this.chosen.push(one) - 1;
        rows.push(
          make(
            "li",
            {
              class: "option",
              role: "option",
              id: `choice-${index}`,
              on: { click: () => this.take(index), pointermove: () => this.mark(index) },
            },
            one.icon,
            make("bdi", { text: one.text }),
            make("span", { class: "option-note", text: one.note }),
          ),
        );
      }
    }
    this.list.replaceChildren(...rows);
    this.mark(0);
  }

  mark(index) {
    this.at = index;
    for (const row of this.list.querySelectorAll("[role=option]")) {
      row.setAttribute("aria-selected", String(row.id === `choice-${index}`));
    }
    if (this.chosen.length) this.text.setAttribute("aria-activedescendant", `choice-${index}`);
    else this.text.removeAttribute("aria-activedescendant");
  }

  onKey(event) {
    const count = this.chosen.length;
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.take(this.at);
    } else if (count && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.mark((this.at + (event.key === "ArrowDown" ? 1 : count - 1)) % count);
      byId(`choice-${this.at}`).scrollIntoView({ block: "nearest" });
    }
  }

  take(index) {
    const one = this.chosen[index];
    if (!one) return;
    this.dialog.close();
    this.app.trying(one.go);
  }
}

export class Search {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.dialog = byId("search");
    this.text = byId("search-text");
    this.list = byId("search-list");
    this.note = byId("search-note");
    this.more = byId("search-more");
    this.found = 0;
    byId("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    for (const one of this.dialog.querySelectorAll("[name=scope]")) {
      one.addEventListener("change", () => this.text.value.trim() && this.run());
    }
    this.more.addEventListener("click", () => this.go());
  }

  /** Open it, perhaps with something to search for. @param {string} text */
  show(text = "") {
    byId("search-here").textContent = t("search_here", { room: this.app.rooms.titleOf(this.app.room) });
    this.text.value = text;
    this.clear(t("search_first"));
    if (!this.dialog.open) this.dialog.showModal();
    this.text.focus();
    if (text) this.run();
  }

  clear(note) {
    this.list.replaceChildren();
    this.more.hidden = true;
    this.note.textContent = note;
    this.found = 0;
    this.before = null;
  }

  async run() {
    this.clear(t("loading"));
    await this.go();
  }

  async go() {
    const text = this.text.value.trim();
    const isHere = this.dialog.querySelector("[name=scope]:checked").value === "room";
    const fields = { text, before: this.before };
    if (isHere) fields.room = this.app.room.name;
    try {
      const answer = await this.app.link.ask("search", fields);
      if (this.text.value.trim() !== text) return;
      this.found += answer.messages.length;
      this.list.append(...answer.messages.map((one) => this.row(one)));
      const last = answer.messages.at(-1);
      if (last) this.before = [last.room, last.number];
      this.more.hidden = !answer.more;
      this.note.textContent = this.found ? t("search_some", { n: this.found }) : t("search_none");
    } catch (error) {
      this.note.textContent = error.message ? why(error.message) : t("asked");
    }
  }

  row(one) {
    const { rooms } = this.app;
    const room = rooms.all.get(one.room);
    const go = () => {
      this.dialog.close();
      this.app.open(one.room);
      this.app.log.toMessage(one.number);
    };
    // the whole row is the button: what it holds is text, so links in it lead nowhere
    const text = make("span", { class: "text", dir: "auto" }, ...plain(nodesOf(one.text, rooms.me)));
    const head = make(
      "span",
      { class: "head" },
      make("bdi", { class: "author", text: one.author }),
      make("span", { class: "where", text: room ? rooms.titleOf(room) : one.room }),
      make("time", { datetime: new Date(one.at * 1000).toISOString(), text: `${dayOf(one.at)} ${timeOf(one.at)}` }),
    );
    return make("li", {}, make("button", { type: "button", class: "hit", on: { click: go } }, head, text));
  }
}

/** Give nodes of a message with nothing in them that takes the focus. */
function plain(nodes) {
  return nodes.map((node) => {
    if (node instanceof HTMLElement && /^(A|PRE)$/.test(node.tagName)) {
      return make(node.tagName === "PRE" ? "code" : "span", { text: node.textContent });
    }
    return node;
  });
}
