/**
 * A file that somebody offers in a room: a message of its name, its size and its address, which
 * this page shows as a card. In a terminal it reads as it is.
 *
 * A card is made only for an address of this very board, and says of the file what the address
 * says. The size is what whoever offers it has said.
 */

import { BASE } from "./door.js";
import { icon, make } from "./dom.js";
import { sized } from "./sizes.js";
import { placeOf, written } from "./uploads.js";
import { t } from "./words.js";

const OFFER = /^(.{1,300}) \((\d[\d.,]{0,9} [KMGT]?i?B)\) (https?:\/\/\S{1,4000})$/u;

export class Cards {
  /** @param {{link: string} | null} files what this person may do with files, as `whoAmI()` says */
  constructor(files) {
    this.files = files;
    this.own = new URL("files/", BASE).href;
    const link = files?.link ?? "";
    this.link = URL.canParse?.(link) ? new URL(link).href : this.own;
  }

  /** Write what offers a file. @param {string} path @param {number} size */
  textOf(path, size) {
    return `${path.split("/").at(-1)} (${sized(size, "en")}) ${this.link}${written(path)}`;
  }

  /** Make the card of a message; null for one that offers nothing of this board. @param {string} text */
  of(text) {
    const found = OFFER.exec(text);
    const path = found && this.pathOf(found[3]);
    if (!path || path.split("/").at(-1) !== found[1]) return null;
    const [, name, size] = found;
    const about = make(
      "span",
      { class: "card-about" },
      make("bdi", { class: "card-name", text: name }),
      make("span", { class: "card-size", text: this.files ? size : `${size} · ${t("file_members")}` }),
    );
    if (!this.files) return make("div", { class: "file-card" }, icon("file"), about);
    return make(
      "a",
      { class: "file-card", href: placeOf(path).href, download: name, "aria-label": `${t("file_get", { name })}, ${size}` },
      icon("file"),
      about,
      icon("download"),
    );
  }

  /** Give the path of a file of this board; "" for another address. @param {string} address */
  pathOf(address) {
    let url;
    try {
      url = new URL(address);
    } catch {
      return "";
    }
    if (url.search || url.hash || url.username || url.password) return "";
    const base = [this.link, this.own].find((one) => url.href.startsWith(one));
    if (!base) return "";
    try {
      const names = url.href.slice(base.length).split("/").map(decodeURIComponent);
      return names.some((name) => !name || name.includes("/")) ? "" : names.join("/");
    } catch {
      return "";
    }
  }
}
