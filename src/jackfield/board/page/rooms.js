/**
 * The rooms that one is in, with what was said there as far as it is loaded. No elements here.
 *
 * 1. A room holds one run of its messages without a gap. While it reaches to the newest, new ones
 *    are put behind it; one that does not follow by its number has what is missing asked for first.
 * 2. A run that was left behind by looking far back (`detached`) grows by paging alone.
 */

import { Lost } from "./socket.js";

const PAGE = 50;
const MOST_PAGE = 200;
const MOST_MISSED = 600;
const MOST_LOADED = 700;
const LEFT_LOADED = 400;

/** @typedef {{room: string, number: number, author: string, id: string, text: string, at: number}} Message */

/** Give what names are compared by, as the board does. @param {string} name */
export const keyOf = (name) => name.normalize("NFKC").toLowerCase().normalize("NFKC");

export class Room {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.kind = "room";
    this.with = "";
    this.topic = "";
    this.keeper = false;
    this.last = 0;
    this.read = 0;
    this.mentions = 0;
    /** @type {string[] | null} */
    this.names = null;
    this.count = 0;
    /** @type {Message[]} */
    this.messages = [];
    this.end = 0;
    this.hasOlder = true;
    this.isLoaded = false;
    this.detached = false;
    this.at = 0;
    this.draft = "";
    /** @type {number | null} after which message the unread ones begin, as they are shown */
    this.divider = null;
    /** @type {{after: number, text: string, id: number}[]} */
    this.notices = [];
    this.filling = false;
    /** @type {number | null} */
    this.telling = null;
    this.isLookedBack = false;
  }

  get unread() {
    return Math.max(0, this.last - this.read);
  }

  /** Forget what is loaded. */
  forget() {
    this.messages = [];
    this.end = 0;
    this.hasOlder = true;
    this.isLoaded = this.detached = false;
  }

  /** Put messages that follow behind the run. @param {Message[]} found */
  append(found) {
    for (const one of found) {
      if (one.number > this.end) {
        this.messages.push(one);
        this.end = one.number;
      }
    }
  }
}

export class Rooms {
  /**
   * @param {{ask: (what: string, fields: object) => Promise<any>}} link
   * @param {{
   *   changed: (room: Room) => void, listed: () => void, mine: (id: string) => void,
   * }} tell changed: what is loaded of a room, or how it is. listed: which there are, and their
   *   unread counts. mine: a message of one's own was heard, by its id.
   */
  constructor(link, tell) {
    this.link = link;
    this.tell = tell;
    this.me = "";
    /** @type {Map<string, Room>} */
    this.all = new Map();
    /** @type {Map<string, string>} how somebody writes their name, by key */
    this.shown = new Map();
  }

  /** Take the whole list, as it is told to who comes. @param {any[]} list */
  take(list) {
    const named = new Set(list.map((about) => about.room));
    for (const name of this.all.keys()) if (!named.has(name)) this.all.delete(name);
    for (const about of list) {
      const room = this.described(about);
      room.last = about.last;
      if (room.end > room.last) room.forget(); // a board without a store has begun anew
      const ahead = Math.min(room.read, room.last);
      room.read = Math.max(ahead, about.read);
      room.mentions = room.read >= room.last ? 0 : about.mentions;
      if (room.kind === "direct") room.mentions = room.unread;
      if (ahead > about.read) this.tellRead(room);
      if (room.isLoaded && !room.detached) this.fill(room);
    }
    this.tell.listed();
  }

  /** Take how one room is. @param {any} about */
  takeOne(about) {
    const isNew = !this.all.has(about.room);
    const room = this.described(about);
    if (isNew) {
      room.last = about.last;
      room.read = about.read;
    }
    this.tell.changed(room);
    this.tell.listed();
    return room;
  }

  described(about) {
    const room = this.all.get(about.room) ?? new Room(about.room);
    this.all.set(about.room, room);
    Object.assign(room, { kind: about.kind, topic: about.topic, keeper: about.keeper });
    room.with = about.with ?? "";
    return room;
  }

  /** Take who is in a room. */
  takeHere(message) {
    const room = this.all.get(message.room);
    if (!room) return;
    room.names = message.names ?? null;
    room.count = message.count;
    for (const name of room.names ?? []) this.shown.set(keyOf(name), name);
    this.tell.changed(room);
  }

  /** Take what somebody has just said. @param {Message} message */
  takeSaid(message) {
    const room = this.all.get(message.room);
    if (!room) return;
    const isMine = keyOf(message.author) === keyOf(this.me);
    this.shown.set(keyOf(message.author), message.author);
    const isNew = message.number > room.last;
    room.last = Math.max(room.last, message.number);
    room.at = message.at;
    if (isMine) {
      if (room.read >= message.number - 1) room.read = Math.max(room.read, message.number);
      this.tell.mine(message.id);
    } else if (isNew && (room.kind === "direct" || mentions(message.text, this.me))) {
      room.mentions += 1;
    }
    if (room.isLoaded && !room.detached) {
      if (message.number === room.end + 1) room.append([message]);
      else if (message.number > room.end + 1) this.fill(room);
    }
    this.trim(room);
    this.tell.changed(room);
    this.tell.listed();
  }

  /** Take how far this person has read on another page, or in a terminal. */
  takeRead({ room: name, number }) {
    const room = this.all.get(name);
    if (!room || number <= room.read) return;
    room.read = number;
    if (!room.unread) room.mentions = 0;
    else if (room.kind === "direct") room.mentions = room.unread;
    this.tell.changed(room);
    this.tell.listed();
  }

  /** One message of ours is kept: if it was not heard, it is asked for. */
  takeKept(name, number) {
    const room = this.all.get(name);
    if (!room) return;
    room.last = Math.max(room.last, number);
    if (room.isLoaded && !room.detached && room.end < number) this.fill(room);
  }

  /** Keep only the newest, where nobody looks at the others. @param {Room} room */
  trim(room) {
    if (room.messages.length > MOST_LOADED && !room.detached && !room.isLookedBack) {
      room.messages = room.messages.slice(-LEFT_LOADED);
      room.hasOlder = true;
    }
  }

  /** Load what was said last, unless that is done. @param {Room} room */
  async load(room) {
    if (room.isLoaded || room.filling) return;
    const most = Math.min(MOST_PAGE, Math.max(PAGE, room.unread + 10));
    await this.busy(room, async () => {
      const page = await this.link.ask("page", { room: room.name, most });
      room.forget();
      this.put(room, page.messages);
      room.append(page.messages);
      room.hasOlder = page.more;
      room.isLoaded = true;
    });
  }

  /** Load what is missing up to the newest. @param {Room} room */
  async fill(room) {
    if (room.last - room.end > MOST_MISSED && room.end) {
      room.forget();
      await this.load(room);
      return;
    }
    await this.busy(room, async () => {
      while (room.end < room.last) {
        const known = room.last;
        const fields = { room: room.name, after: room.end, most: MOST_PAGE };
        const page = await this.link.ask("page", fields);
        this.put(room, page.messages);
        room.append(page.messages);
        if (!page.more) room.end = Math.max(room.end, known);
      }
    });
  }

  /** Load what was said before the run. @param {Room} room */
  async older(room) {
    if (!room.isLoaded || !room.hasOlder || !room.messages.length) return;
    await this.busy(room, async () => {
      const before = room.messages[0].number;
      const page = await this.link.ask("page", { room: room.name, before, most: PAGE });
      this.put(room, page.messages);
      room.messages = [...page.messages.filter((one) => one.number < before), ...room.messages];
      room.hasOlder = page.more;
    });
  }

  /** Load what was said after a run that was left behind. @param {Room} room */
  async newer(room) {
    if (!room.detached) return;
    await this.busy(room, async () => {
      const page = await this.link.ask("page", { room: room.name, after: room.end, most: PAGE });
      this.put(room, page.messages);
      room.append(page.messages);
      if (!page.more || room.end >= room.last) room.detached = false;
    });
  }

  /** Load what was said around a number, in place of what is loaded. */
  async around(room, number) {
    if (room.messages.some((one) => one.number === number)) return;
    await this.busy(room, async () => {
      const fields = { room: room.name, before: number + 1, most: PAGE };
      const before = await this.link.ask("page", fields);
      const after = await this.link.ask("page", { room: room.name, after: number, most: PAGE });
      room.forget();
      this.put(room, [...before.messages, ...after.messages]);
      room.append(before.messages);
      room.append(after.messages);
      room.hasOlder = before.more;
      room.isLoaded = true;
      room.detached = after.more && room.end < room.last;
    });
  }

  /** Go back to the newest. @param {Room} room */
  async toNewest(room) {
    if (room.detached) {
      room.forget();
      await this.load(room);
    }
  }

  /** Do one thing with a room at a time; what is lost with the connection is done anew after it. */
  async busy(room, work) {
    if (room.filling) return;
    room.filling = true;
    let isDone = false;
    try {
      await work();
      isDone = true;
    } catch (error) {
      if (!(error instanceof Lost)) console.warn(error.message);
    } finally {
      room.filling = false;
    }
    this.tell.changed(room);
    if (isDone && room.isLoaded && !room.detached && room.end < room.last) await this.fill(room);
  }

  put(room, messages) {
    for (const one of messages) {
      this.shown.set(keyOf(one.author), one.author);
      room.at = Math.max(room.at, one.at);
      if (keyOf(one.author) === keyOf(this.me)) this.tell.mine(one.id);
    }
  }

  /** Note that a room is read as far as it is loaded. @param {Room} room */
  markRead(room) {
    if (!room.isLoaded || room.detached || room.read >= room.end) return;
    room.read = room.end;
    room.mentions = 0;
    room.telling ??= setTimeout(() => {
      room.telling = null;
      this.tellRead(room);
    }, 300);
    this.tell.listed();
  }

  tellRead(room) {
    this.link.ask("read", { room: room.name, number: room.read }).catch(() => {});
  }

  /** Say what a room is called, to people. @param {Room} room */
  titleOf(room) {
    return room.kind === "direct" ? this.nameOf(room.with) : `#${room.name}`;
  }

  /** Say how somebody writes their name. @param {string} key */
  nameOf(key) {
    return this.shown.get(key) ?? key;
  }

  /** Give rooms as they are listed: the lobby, others by name, then people by what is newest. */
  get sorted() {
    const order = (room) => (room.kind === "direct" ? 2 : room.name === "lobby" ? 0 : 1);
    return [...this.all.values()].sort(
      (a, b) =>
        order(a) - order(b) ||
        (a.kind === "direct" ? b.at - a.at : 0) ||
        this.titleOf(a).localeCompare(this.titleOf(b)),
    );
  }
}

const NAME = "[\\p{L}\\p{N}_][\\p{L}\\p{N}_.\\-]*";
const MENTION = new RegExp(`(^|[^\\p{L}\\p{N}_@/])@(${NAME})`, "gu");

/** Whether a text mentions somebody, as the board sees it. @param {string} text @param {string} name */
export function mentions(text, name) {
  const key = keyOf(name);
  return [...text.matchAll(MENTION)].some((found) => keyOf(found[2].replace(/[.-]+$/, "")) === key);
}
