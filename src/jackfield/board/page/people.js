/** Who is in the room that is looked at, and what can be done with one of them. */

import { avatar, byId, dress, icon, make, showWhy } from "./dom.js";
import { keyOf } from "./rooms.js";
import { t, why } from "./words.js";

export class People {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.list = byId("people-list");
    this.dialog = byId("person");
    this.shown = "";
  }

  /** @param {import("./rooms.js").Room} room */
  render(room) {
    const { rooms } = this.app;
    const sign = JSON.stringify([room.name, room.count, room.names, rooms.me]);
    if (sign === this.shown) return;
    this.shown = sign;
    byId("people-count").textContent = String(room.count);
    const label = t("people_show", { n: room.count });
    byId("people-button").setAttribute("aria-label", label);
    byId("people-button").title = label;
    byId("people-title").textContent = t("people_title", { n: room.count });
    if (!room.names) {
      this.list.replaceChildren(make("li", { class: "note", text: room.count ? t("people_many") : "" }));
      return;
    }
    const focused = this.list.contains(document.activeElement) && document.activeElement.dataset.name;
    const rows = room.names.map((name) => {
      const isMe = keyOf(name) === keyOf(rooms.me);
      const content = [avatar(name), make("bdi", { class: "person-name", text: name })];
      if (isMe) content.push(make("span", { class: "you", text: t("you") }));
      const row = isMe
        ? make("div", { class: "person" }, ...content)
        : make(
            "button",
            { type: "button", class: "person", "data-name": name, on: { click: () => this.show(name) } },
            ...content,
          );
      return make("li", {}, row);
    });
    this.list.replaceChildren(...rows);
    if (focused) [...this.list.querySelectorAll("button")].find((one) => one.dataset.name === focused)?.focus();
  }

  /** Show what can be done with somebody. @param {string} name */
  show(name) {
    const { app } = this;
    const room = app.room;
    dress(byId("person-avatar"), name);
    byId("person-name").textContent = name;
    showWhy(byId("person-why"), "");
    const action = (key, iconName, work) =>
      make(
        "li",
        {},
        make("button", { type: "button", on: { click: () => this.do(work) } }, icon(iconName), make("span", { text: t(key) })),
      );
    const actions = [
      action("person_direct", "at", () => app.direct(name)),
      action("person_mention", "chat", () => app.composer.insert(`@${name} `)),
    ];
    if (room.keeper && room.kind === "room") {
      const order = (what, fields, key, values) => async () => {
        await app.link.ask(what, { room: room.name, name, ...fields });
        app.notice(t(key, { name, ...values }));
      };
      actions.push(
        action("person_mute", "mute", order("mute", { seconds: 600 }, "muted", { n: 10 })),
        action("person_unmute", "chat", order("mute", { seconds: 0 }, "unmuted")),
      );
      if (room.name !== "lobby") actions.push(action("person_remove", "out", order("remove", {}, "removed")));
    }
    byId("person-actions").replaceChildren(...actions);
    this.dialog.showModal();
  }

  async do(work) {
    try {
      await work();
      this.dialog.close();
      this.app.closePeople();
      this.app.composer.focus();
    } catch (error) {
      showWhy(byId("person-why"), error.message ? why(error.message) : t("asked"));
    }
  }
}
