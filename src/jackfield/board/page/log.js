/**
 * The messages of the room that is looked at.
 *
 * What there is to show is a list of items with keys; an element whose item is unchanged stays, so
 * that a screen reader is told of what is new alone, and what one looks at stays where it is.
 */

import { avatar, byId, icon, make } from "./dom.js";
import { mentions } from "./rooms.js";
import { isPictures, nodesOf } from "./text.js";
import { locale, t, why } from "./words.js";

const TOGETHER = 5 * 60;
const NEAR = 60;
const AHEAD = 400;
/** How long a scroll that was under way may go on, in milliseconds. */
const SCROLLING = 500;

const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" });
const weekday = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
const longDay = new Intl.DateTimeFormat(locale, { dateStyle: "long" });

/** Say when something was, shortly. @param {number} at seconds since 1970 */
export const timeOf = (at) => clock.format(at * 1000);

/** Say on which day something was. @param {number} at */
export function dayOf(at) {
  const day = new Date(at * 1000);
  const now = new Date();
  const past = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(day).setHours(0, 0, 0, 0)) / 864e5);
  if (past === 0) return t("today");
  if (past === 1) return t("yesterday");
  return (day.getFullYear() === now.getFullYear() ? weekday : longDay).format(day);
}

export class Log {
  /**
   * @param {import("./rooms.js").Rooms} rooms
   * @param {import("./outbox.js").Outbox} outbox
   * @param {() => void} atBottom called when the newest message is in sight
   * @param {import("./cards.js").Cards} cards
   */
  constructor(rooms, outbox, atBottom, cards) {
    this.rooms = rooms;
    this.outbox = outbox;
    this.atBottom = atBottom;
    this.cards = cards;
    this.place = byId("log");
    this.button = byId("newest");
    /** @type {import("./rooms.js").Room | null} */
    this.room = null;
    this.sticks = true;
    this.height = 0;
    this.heldUntil = 0;
    this.elements = new Map();
    this.place.addEventListener("scroll", () => this.scrolled(), { passive: true });
    for (const kind of ["wheel", "touchstart", "keydown"]) {
      this.place.addEventListener(kind, () => (this.heldUntil = 0), { passive: true });
    }
    this.button.addEventListener("click", () => this.toNewest());
    new ResizeObserver(() => this.resized()).observe(this.place);
  }

  /** Look at a room. @param {import("./rooms.js").Room} room */
  show(room) {
    this.room = room;
    this.sticks = true;
    this.place.replaceChildren();
    this.elements.clear();
    this.render();
  }

  /** Whether the newest message is in sight. */
  get isAtEnd() {
    return this.sticks && !this.room?.detached;
  }

  /** Go to the newest message. */
  async toNewest() {
    this.sticks = true;
    this.heldUntil = performance.now() + SCROLLING;
    await this.rooms.toNewest(this.room);
    if (this.room) this.room.isLookedBack = false;
    this.render();
    this.toEnd();
    this.atBottom();
  }

  /** Show one message, wherever it is. @param {number} number */
  async toMessage(number) {
    this.sticks = false;
    await this.rooms.around(this.room, number);
    this.render();
    const element = this.elements.get(`m${number}`)?.element;
    if (!element) return;
    element.scrollIntoView({ block: "center" });
    element.classList.add("found-now");
    setTimeout(() => element.classList.remove("found-now"), 2500);
    this.place.focus({ preventScroll: true });
  }

  toEnd() {
    this.place.scrollTop = this.place.scrollHeight;
  }

  /** A keyboard, a banner or a longer draft takes room: what was in sight at the end stays so. */
  resized() {
    this.height = this.place.clientHeight;
    if (this.sticks) this.toEnd();
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.place;
    if (clientHeight !== this.height) {
      this.resized(); // nobody has scrolled
      return;
    }
    if (this.sticks && performance.now() < this.heldUntil) {
      // a smooth scroll, as after Home, goes on by what is left of it from where it is moved to
      if (scrollHeight - scrollTop - clientHeight > 1) this.toEnd();
      return;
    }
    const below = scrollHeight - scrollTop - clientHeight;
    this.sticks = below < NEAR && !this.room?.detached;
    if (this.room) this.room.isLookedBack = !this.sticks;
    if (scrollTop < AHEAD) this.rooms.older(this.room);
    if (below < AHEAD && this.room?.detached) this.rooms.newer(this.room);
    this.showButton();
    if (this.isAtEnd) this.atBottom();
  }

  showButton() {
    const room = this.room;
    const isAway = !!room && room.isLoaded && !this.isAtEnd;
    this.button.hidden = !isAway;
    if (!isAway) return;
    const text = room.unread ? t("newest_n", { n: room.unread }) : t("newest");
    if (this.button.textContent !== text) this.button.replaceChildren(icon("down"), text);
  }

  /** Bring what is shown up to what there is. */
  render() {
    const room = this.room;
    if (!room) return;
    const items = this.items(room);
    const anchor = this.sticks ? null : this.anchor();
    const first = this.elements.size ? this.firstNumber : 0;
    // what is added above, or at first, is history: nobody is to have it read out
    const isHistory = !this.elements.size || (room.messages[0]?.number ?? 0) < first;
    if (isHistory) this.place.setAttribute("aria-live", "off");
    const known = this.elements;
    this.elements = new Map();
    let at = this.place.firstChild;
    for (const { key, sign, make: build } of items) {
      const old = known.get(key);
      const element = old && old.sign === sign ? old.element : build();
      this.elements.set(key, { element, sign });
      if (element === at) at = at.nextSibling;
      else this.place.insertBefore(element, at);
    }
    const kept = new Set([...this.elements.values()].map((one) => one.element));
    for (const child of [...this.place.children]) if (!kept.has(child)) child.remove();
    this.firstNumber = room.messages[0]?.number ?? 0;
    const now = anchor && this.elements.get(anchor.key)?.element;
    if (now) this.place.scrollTop += now.offsetTop - anchor.top;
    else if (this.sticks) this.toEnd();
    if (isHistory) setTimeout(() => this.place.setAttribute("aria-live", "polite"), 200);
    this.showButton();
    if (room.isLoaded && room.hasOlder && this.place.scrollHeight <= this.place.clientHeight + NEAR) {
      this.rooms.older(room);
    }
  }

  /** Find what is to stay where it is: the first message in sight. */
  anchor() {
    const top = this.place.scrollTop;
    for (const [key, { element }] of this.elements) {
      if (key.startsWith("m") && element.offsetTop + element.offsetHeight > top) {
        return { key, top: element.offsetTop };
      }
    }
    return null;
  }

  items(room) {
    const items = [];
    const notices = [...room.notices];
    const title = this.rooms.titleOf(room);
    if (!room.isLoaded) items.push(line("loading", "loading", t("loading")));
    else if (!room.hasOlder) {
      const isEmpty = !room.messages.length;
      const empty =
        room.kind === "direct" ? t("empty_direct", { name: title }) : t("empty_room");
      const text = isEmpty ? empty : t("beginning", { room: title });
      items.push(line("beginning", isEmpty ? "empty" : "beginning", text));
    }
    let before = null;
    for (const one of room.messages) {
      const day = new Date(one.at * 1000).toDateString();
      if (!before || new Date(before.at * 1000).toDateString() !== day) {
        items.push(line(`d${one.number}`, "day", dayOf(one.at), "separator"));
        before = null;
      }
      if (room.divider !== null && one.number > room.divider && (!before || before.number <= room.divider)) {
        if (!items.some((item) => item.key === "unread")) {
          items.push(line("unread", "new", t("new_messages"), "separator"));
          before = null;
        }
      }
      const follows = !!before && before.author === one.author && one.at - before.at < TOGETHER;
      const key = `m${one.number}`;
      items.push({ key, sign: String(follows), make: () => this.message(one, { follows }) });
      while (notices.length && notices[0].after <= one.number) {
        items.push(notice(notices.shift()));
      }
      before = one;
    }
    for (const one of notices) items.push(notice(one));
    for (const one of this.outbox.of(room.name)) {
      items.push({ key: `p${one.id}`, sign: one.failed ?? "", make: () => this.waiting(one) });
    }
    return items;
  }

  /** @param {import("./rooms.js").Message} one */
  message(one, { follows }) {
    const me = this.rooms.me;
    const classes = ["message"];
    if (follows) classes.push("follows");
    if (mentions(one.text, me)) classes.push("to-me");
    const text = this.text(one.text, me);
    if (isPictures(one.text)) text.classList.add("pictures");
    const time = make("time", {
      datetime: new Date(one.at * 1000).toISOString(),
      title: whole.format(one.at * 1000),
      text: timeOf(one.at),
    });
    const head = make("div", { class: "head" }, make("bdi", { class: "author", text: one.author }), " ", time);
    return make("article", { class: classes.join(" "), "data-number": one.number }, avatar(one.author), head, text);
  }

  /** Show what was said: a file that is offered as a card. */
  text(said, me) {
    const card = this.cards.of(said);
    return make("div", { class: "text", dir: "auto" }, ...(card ? [card] : nodesOf(said, me)));
  }

  waiting(one) {
    const classes = one.failed ? "message waiting failed" : "message waiting";
    const note = make("div", { class: "waits" }, icon(one.failed ? "warn" : "clock"));
    note.append(one.failed ? t("failed", { why: why(one.failed) }) : t("pending"));
    if (one.failed) {
      note.append(
        make("button", { type: "button", text: t("again"), on: { click: () => this.outbox.retry(one.id) } }),
        make("button", { type: "button", text: t("discard"), on: { click: () => this.outbox.drop(one.id) } }),
      );
    }
    return make(
      "article",
      { class: classes },
      avatar(this.rooms.me),
      make("div", { class: "head" }, make("bdi", { class: "author", text: this.rooms.me })),
      this.text(one.text, this.rooms.me),
      note,
    );
  }
}

function line(key, kind, text, role = null) {
  const build = () => make("div", { class: `line ${kind}`, role, "aria-label": role && text }, make("span", { text }));
  return { key, sign: text, make: build };
}

function notice(one) {
  const build = () => make("div", { class: "notice", dir: "auto", text: one.text });
  return { key: `n${one.id}`, sign: one.text, make: build };
}
