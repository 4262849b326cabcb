/**
 * The parts of the board, side by side: each has a view of its own, of which one is shown.
 *
 * A view that is away keeps its size, so that all in it is where it was when it comes back.
 */

import { byId, icon, make } from "./dom.js";
import { t } from "./words.js";

/** @typedef {{name: string, isFor: (me: any) => boolean}} Tab its view has the id `view-NAME` */

/** @type {Tab[]} */
const TABS = [
  { name: "chat", isFor: () => true },
  { name: "files", isFor: (me) => !!me.files },
  { name: "commands", isFor: (me) => me.commands },
  { name: "board", isFor: (me) => me.owner },
];

const ADDRESS = "#tab/";

export class Tabs {
  /**
   * @param {{owner: boolean, files: object | null, commands: boolean}} me who looks: some tabs are not for everybody
   * @param {(name: string) => void} shown called when another tab is shown
   */
  constructor(me, shown) {
    this.shown = shown;
    this.current = "";
    /** @type {Map<string, HTMLElement>} */
    this.buttons = new Map();
    this.become(me);
  }

  /** Have the tabs of who looks. A view that is shown and is theirs no more stays until they leave it. */
  become(me) {
    const focused = document.activeElement;
    const tabs = TABS.filter((tab) => tab.isFor(me));
    this.buttons = new Map(tabs.map((tab) => [tab.name, this.buttons.get(tab.name) ?? this.button(tab)]));
    for (const { name } of TABS) byId(`view-${name}`).hidden = !this.buttons.has(name) && name !== this.current;
    byId("tabs").replaceChildren(...[...this.buttons.values()].map((one) => make("li", {}, one)));
    if (byId("tabs").contains(focused)) focused.focus();
  }

  /** @param {Tab} tab */
  button({ name }) {
    const text = t(`tab_${name}`);
    const dot = make("span", { class: "dot", hidden: true });
    return make(
      "button",
      { type: "button", class: "rail-button", "aria-label": text, on: { click: () => this.show(name) } },
      icon(name),
      make("span", { text }),
      dot,
    );
  }

  /** The view that is shown. @returns {HTMLElement} */
  get view() {
    return byId(`view-${this.current}`);
  }

  /** Show a tab, and none of the others. @param {string} name */
  show(name) {
    if (name === this.current) return;
    if (this.current && !this.buttons.has(this.current)) this.view.hidden = true;
    this.current = name;
    document.body.dataset.tab = name;
    for (const [other, button] of this.buttons) {
      byId(`view-${other}`).classList.toggle("away", other !== name);
      if (other === name) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    }
    this.shown(name);
  }

  /** Mark a tab in which there is something new. @param {string} name @param {string} what "" for nothing */
  mark(name, what) {
    const button = this.buttons.get(name);
    button.querySelector(".dot").hidden = !what;
    button.setAttribute("aria-label", what ? `${t(`tab_${name}`)}, ${what}` : t(`tab_${name}`));
  }

  /** The tab that the address names; "" without one. */
  get inAddress() {
    const name = location.hash.startsWith(ADDRESS) ? location.hash.slice(ADDRESS.length) : "";
    return this.buttons.has(name) ? name : "";
  }

  /** How a tab is written in the address. @param {string} name */
  addressOf(name) {
    return `${ADDRESS}${name}`;
  }
}
