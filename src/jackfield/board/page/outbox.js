/**
 * What was written and is not known to be kept: it is said again until it is, one after another.
 *
 * Each has an id of its own by which the chat takes it once, however often it is said. It outlives
 * a reload of the page, in this tab.
 */

import { Lost } from "./socket.js";

/** @typedef {{room: string, id: string, text: string, at: number, failed?: string}} Waiting */

export class Outbox {
  /**
   * @param {{ask: (what: string, fields: object) => Promise<any>}} link
   * @param {(room: string) => void} changed called when something in a room has changed
   * @param {(room: string, number: number) => void} kept called when one is kept, by its number
   */
  constructor(link, changed, kept) {
    this.link = link;
    this.changed = changed;
    this.kept = kept;
    this.name = "";
    /** @type {Waiting[]} */
    this.items = [];
    this.isSending = false;
  }

  /** Be the outbox of a person: what they had written before comes back. @param {string} name */
  belongTo(name) {
    if (this.name === name) return;
    this.name = name;
    try {
      const found = JSON.parse(sessionStorage.getItem(this.place) ?? "[]");
      this.items = Array.isArray(found) ? found : [];
    } catch {
      this.items = [];
    }
  }

  get place() {
    return `jackfield.outbox.${this.name}`;
  }

  save() {
    try {
      sessionStorage.setItem(this.place, JSON.stringify(this.items));
    } catch {
      // a browser that keeps nothing: it lasts as long as the page
    }
  }

  /** @param {string} room @returns {Waiting[]} */
  of(room) {
    return this.items.filter((one) => one.room === room);
  }

  /** Say something, now or when there is a connection. @param {string} room @param {string} text */
  say(room, text) {
    this.items.push({ room, id: newId(), text, at: Date.now() / 1000 });
    this.save();
    this.changed(room);
    this.send();
  }

  /** It is kept, or is to be forgotten. @param {string} id */
  drop(id) {
    const found = this.items.find((one) => one.id === id);
    if (!found) return;
    this.items = this.items.filter((one) => one !== found);
    this.save();
    this.changed(found.room);
  }

  /** Try again what was refused. @param {string} id */
  retry(id) {
    const found = this.items.find((one) => one.id === id);
    if (found) {
      delete found.failed;
      this.changed(found.room);
      this.send();
    }
  }

  /** Say what waits, as far as that goes. */
  async send() {
    if (this.isSending) return;
    this.isSending = true;
    try {
      for (;;) {
        const next = this.items.find((one) => !one.failed);
        if (!next) return;
        const { room, id, text } = next;
        try {
          const answer = await this.link.ask("say", { room, id, text });
          this.kept(answer.room, answer.number);
          this.drop(id);
        } catch (error) {
          if (error instanceof Lost) return;
          if (error.wait) {
            await new Promise((go) => setTimeout(go, error.wait * 1000 + 50));
          } else {
            next.failed = error.message || "?";
            this.save();
            this.changed(room);
          }
        }
      }
    } finally {
      this.isSending = false;
    }
  }
}

/** Make an id that nobody else makes. `crypto.randomUUID` is not there over plain HTTP. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
