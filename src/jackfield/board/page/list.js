/** The list of rooms: what is unread, what is for oneself, and going through it by the arrows. */

import { avatar, byId, icon, make } from "./dom.js";
import { t } from "./words.js";

export class RoomList {
  /**
   * @param {import("./rooms.js").Rooms} rooms
   * @param {{open: (name: string) => void, find: () => void}} to
   */
  constructor(rooms, to) {
    this.rooms = rooms;
    this.to = to;
    this.place = byId("room-list");
    this.active = "";
    this.place.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** Bring the list up to what there is. @param {string} active the room that is looked at */
  render(active) {
    this.active = active;
    const focused = document.activeElement?.closest?.("[data-room]")?.dataset.room;
    const sorted = this.rooms.sorted;
    const inRooms = sorted.filter((room) => room.kind !== "direct");
    const directs = sorted.filter((room) => room.kind === "direct");
    const add = make(
      "button",
      { type: "button", class: "icon-button small", "aria-label": t("join_room"), title: t("join_room"), on: { click: this.to.find } },
      icon("plus"),
    );
    this.place.replaceChildren(
      make("div", { class: "list-head" }, make("h2", { id: "rooms-title", text: t("rooms") }), add),
      make("ul", { "aria-labelledby": "rooms-title" }, ...inRooms.map((room) => this.row(room))),
    );
    if (directs.length) {
      this.place.append(
        make("div", { class: "list-head" }, make("h2", { id: "directs-title", text: t("directs") })),
        make("ul", { "aria-labelledby": "directs-title" }, ...directs.map((room) => this.row(room))),
      );
    }
    if (focused) this.button(focused)?.focus();
  }

  row(room) {
    const isActive = room.name === this.active;
    const title = this.rooms.titleOf(room);
    const isDirect = room.kind === "direct";
    const unread = isActive && document.hasFocus() ? 0 : room.unread;
    const label = [title];
    if (unread) label.push(t("unread", { n: unread }));
    if (unread && room.mentions && !isDirect) label.push(t("mentioned", { n: room.mentions }));
    const button = make(
      "button",
      {
        type: "button",
        class: unread ? "room unread" : "room",
        "data-room": room.name,
        "aria-current": isActive ? "page" : null,
        "aria-label": label.join(", "),
        tabindex: isActive ? "0" : "-1",
        on: { click: () => this.to.open(room.name) },
      },
      isDirect ? avatar(title) : icon("hash"),
      make("bdi", { class: "room-title", text: isDirect ? title : room.name }),
    );
    if (unread) {
      const isMine = room.mentions > 0;
      const number = isMine ? room.mentions : unread;
      button.append(
        make("span", { class: isMine ? "badge mine" : "badge", text: number > 99 ? "99+" : String(number) }),
      );
    }
    return make("li", {}, button);
  }

  button(name) {
    return [...this.place.querySelectorAll("[data-room]")].find((one) => one.dataset.room === name);
  }

  focus() {
    (this.button(this.active) ?? this.place.querySelector("button"))?.focus();
  }

  onKey(event) {
    const buttons = [...this.place.querySelectorAll("[data-room]")];
    const at = buttons.indexOf(document.activeElement);
    if (at < 0) return;
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(next, buttons.length - 1))].focus();
  }

  /** Say which room comes before or after the one that is looked at. @param {1 | -1} step */
  beside(step) {
    const names = this.rooms.sorted.map((room) => room.name);
    return names[(names.indexOf(this.active) + step + names.length) % names.length];
  }
}
