/**
 * The board itself, for its owner: how it and each of its services are, and the commands.
 *
 * It is asked every other second, and only while somebody looks. What has not changed is left as it
 * is, so that what has the focus keeps it.
 */

import { Coming } from "./coming.js";
import { post } from "./door.js";
import { UNITS, byId, make } from "./dom.js";
import { sized } from "./sizes.js";
import { isSure } from "./sure.js";
import { locale, t, why } from "./words.js";

const EVERY = 2000;
const CHANGES = ["start", "stop", "restart", "reload"];
const PAGE = "page";

const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });

export class BoardTab {
  constructor() {
    this.isShown = false;
    this.timer = 0;
    this.asked = 0;
    this.isBusy = false;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.left = "";
    this.coming = new Coming({ ask: (what, fields) => this.ask(what, fields), say: (text) => this.say(text) });
    byId("services-all").append(
      ...CHANGES.map((what) => button(what, t("services_all"), () => this.change(what))),
    );
    document.addEventListener("visibilitychange", () => this.look(this.isShown));
  }

  /** Begin to look, or end it. @param {boolean} isShown */
  look(isShown) {
    const wasLooking = this.timer !== 0;
    this.isShown = isShown;
    const isLooking = isShown && !document.hidden;
    if (!isLooking) {
      clearTimeout(this.timer);
      this.timer = 0;
    } else if (!wasLooking) {
      this.refresh();
      this.coming.refresh();
    }
  }

  /** Ask how the board is, and again later. */
  async refresh() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), EVERY * 5); // where no answer comes
    const asked = ++this.asked;
    let found = null;
    let lost = "";
    try {
      found = await this.ask("status");
    } catch (error) {
      lost = error instanceof TypeError ? this.left || t("board_lost") : why(error.message);
    }
    if (asked !== this.asked || this.timer === 0) return; // asked anew, or nobody looks any more
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), EVERY);
    setText(byId("board-lost"), lost);
    byId("board-lost").hidden = !lost;
    byId("board-parts").classList.toggle("old", !!lost);
    if (found) this.render(found);
  }

  /**
   * Ask the board for something, as its commands do.
   * @param {string} what
   * @param {Record<string, unknown>} fields
   * @returns {Promise<any>} Fails with a line that says why.
   */
  async ask(what, fields = {}) {
    try {
      return await post("board", { do: what, ...fields });
    } catch (error) {
      // whoever looks is the owner no longer, or not signed in: the page is to know it
      if (error.status === 401 || error.status === 403) location.reload();
      throw error;
    }
  }

  /** Say what was done, or why not. @param {string | Error} said */
  say(said) {
    const failed = said instanceof Error;
    const text = !failed ? why(said) : said instanceof TypeError ? t("board_lost") : why(said.message);
    byId("board-said").textContent = failed ? "" : text;
    byId("board-why").textContent = failed ? text : "";
    byId("board-said").hidden = failed || !text;
    byId("board-why").hidden = !failed;
  }

  /** Do one of the commands, to a service or to all. @param {string} what @param {Row | null} row */
  async change(what, row = null) {
    if (this.isBusy || !(await this.mayChange(what, row))) return;
    this.isBusy = true;
    byId("board-parts").setAttribute("aria-busy", "true");
    this.say("");
    this.left = "";
    try {
      const answer = await this.ask(what, row ? { names: [row.name] } : {});
      if (answer.leaves) {
        if (what === "stop") this.left = t("page_stopped");
        this.say(t(what === "stop" ? "page_stopped" : "page_leaves"));
      } else this.say(answer.text);
    } catch (error) {
      this.say(error);
    } finally {
      this.isBusy = false;
      byId("board-parts").removeAttribute("aria-busy");
      this.refresh();
    }
  }

  /** Ask first, where somebody is cut off. */
  async mayChange(what, row) {
    if (what !== "stop" && what !== "restart") return true;
    const one = row?.one;
    const name = row ? row.name : t("services_all");
    const parts = [];
    if (!row || row.name === PAGE) parts.push(t(`hurts_page_${what}`));
    else if (!one.connections) return true;
    else parts.push(t("hurts", { n: one.connections }));
    const title = t(`sure_${what}`, { name });
    return isSure(title, parts.join(" "), t(`do_${what}`));
  }

  // What is shown

  render(found) {
    const { services, store } = found;
    const here = services.reduce((sum, one) => sum + one.connections, 0);
    setText(byId("board-about"), t("board_about", { board: found.name, process: found.process }));
    setText(byId("fact-up"), lasting(found.since));
    setText(byId("fact-people"), number.format(found.people));
    setText(byId("fact-connections"), number.format(here));
    setText(byId("fact-store"), store.state === "ok" ? t("store_ok") : store.state);
    byId("fact-store").className = store.state === "ok" ? "state running" : "state failed";
    setText(byId("store-why"), store.why);
    byId("store-why").hidden = !store.why;
    const names = services.map((one) => one.name);
    for (const [name, row] of this.rows) {
      if (names.includes(name)) continue;
      row.element.remove();
      this.rows.delete(name);
    }
    services.forEach((one, at) => {
      const row = this.rows.get(one.name) ?? new Row(one.name, (what, which) => this.change(what, which));
      this.rows.set(one.name, row);
      row.update(one);
      const place = byId("services").children[at];
      if (place !== row.element) byId("services").insertBefore(row.element, place ?? null);
    });
  }
}

/** One service: made once, and kept up to how it is. */
class Row {
  /** @param {string} name @param {(what: string, row: Row) => void} change */
  constructor(name, change) {
    this.name = name;
    this.one = null;
    this.state = make("span", { class: "state" });
    this.since = make("span", { class: "since" });
    this.kind = make("span", { class: "kind" });
    this.endpoints = make("ul", { class: "endpoints", "aria-label": t("endpoints") });
    this.why = make("p", { class: "why", hidden: true });
    this.connections = make("dd");
    this.messages = make("dd");
    this.bytes = make("dd");
    this.refused = make("dd");
    this.numbers = [];
    this.refusals = make("div", { class: "refusals", hidden: true }, make("dt", { text: t("refused") }), this.refused);
    this.buttons = new Map(CHANGES.map((what) => [what, button(what, name, () => change(what, this))]));
    const pair = (key, value) => {
      this.numbers.push(make("div", {}, make("dt", { text: t(key) }), value));
      return this.numbers.at(-1);
    };
    this.element = make(
      "li",
      { class: "service", "data-service": name },
      make("div", { class: "service-head" }, make("h4", {}, `${name} `, this.kind), this.state, " ", this.since),
      this.endpoints,
      make(
        "dl",
        { class: "numbers" },
        pair("connections", this.connections),
        pair("messages", this.messages),
        pair("bytes", this.bytes),
        this.refusals,
      ),
      make("div", { class: "service-buttons" }, ...this.buttons.values()),
      this.why,
    );
  }

  /** @param {any} one how it is, as `jackfield status --json` has it */
  update(one) {
    this.one = one;
    const isRunning = one.state === "running";
    setText(this.state, t(`state_${one.state}`));
    this.state.className = `state ${one.state}`;
    setText(this.since, t("since", { time: lasting(one.since) }));
    setText(this.kind, one.service === one.name ? "" : one.service);
    if (this.endpoints.dataset.all !== one.endpoints.join(" ")) {
      this.endpoints.dataset.all = one.endpoints.join(" ");
      this.endpoints.replaceChildren(...one.endpoints.map((url) => make("li", {}, make("code", { text: url }))));
    }
    setText(this.connections, t("connections_of", { n: number.format(one.connections), all: number.format(one.opened) }));
    setText(this.messages, number.format(one.messages_per_second));
    setText(this.bytes, sized(one.bytes_per_second));
    for (const one of this.numbers) one.hidden = !isRunning;
    const refusals = Object.entries(one.refused).map(([limit, n]) => t("refused_by", { n, limit }));
    setText(this.refused, refusals.join(t("comma")));
    this.refusals.hidden = !refusals.length;
    setText(this.why, one.why);
    this.why.hidden = !one.why;
    const focused = [...this.buttons.values()].find((button) => button === document.activeElement);
    this.buttons.get("start").hidden = isRunning;
    for (const what of ["stop", "restart", "reload"]) this.buttons.get(what).hidden = !isRunning;
    if (focused?.hidden) this.buttons.get(isRunning ? "stop" : "start").focus(); // it went with what it did
  }
}

/** Make a button of a command. @param {string} what @param {string} whom @param {() => void} click */
function button(what, whom, click) {
  const text = t(`do_${what}`);
  return make("button", { type: "button", class: "small-button", "data-do": what, text, "aria-label": `${text}: ${whom}`, on: { click } });
}

/** Change a text that has changed. @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say for how long something has been so. @param {number} since seconds since 1970 */
function lasting(since) {
  const seconds = Math.max(0, Math.floor(Date.now() / 1000 - since));
  const [unit, size] = UNITS.find(([, one]) => seconds >= one) ?? ["second", 1];
  const format = new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" });
  return format.format(Math.floor(seconds / size));
}
