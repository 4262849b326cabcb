/** Commands that are run on the board's machine, for those who may: what is allowed, and each call. */

import { Call } from "./call.js";
import { BASE } from "./door.js";
import { byId, make, showWhy } from "./dom.js";
import { t, why } from "./words.js";

const MOST_CALLS = 20;
const MOST_SHOWN = 200;

const isPhone = matchMedia("(max-width: 640px)");

export class CommandsTab {
  constructor() {
    /** @type {Call[]} the newest first */
    this.calls = [];
    this.isShown = false;
    this.isAllowed = true;
    this.line = byId("run-line");
    byId("run-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run(this.line.value);
    });
    addEventListener("pagehide", () => this.calls.forEach((call) => call.close()));
  }

  /** See what is allowed, when somebody begins to look. @param {boolean} isShown */
  look(isShown) {
    if (isShown && !this.isShown) this.refresh();
    this.isShown = isShown;
  }

  /** Whoever looks may run commands now, or no more: what they have run stays to be read. */
  allow(isAllowed) {
    if (isAllowed === this.isAllowed) return;
    this.isAllowed = isAllowed;
    const focused = document.activeElement;
    byId("run-part").hidden = !isAllowed;
    byId("calls").classList.toggle("closed", !isAllowed);
    if (focused && !focused.getClientRects().length) byId("commands-title").focus({ preventScroll: true });
    if (this.isShown) this.refresh();
  }

  async refresh() {
    try {
      const answer = await fetch(new URL("commands", BASE), { cache: "no-store" });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.why);
      this.render(found.allowed);
      showWhy(byId("commands-why"), "");
    } catch (error) {
      const isLost = error instanceof TypeError || error instanceof SyntaxError;
      showWhy(byId("commands-why"), isLost ? t("run_unreached") : why(error.message));
    }
  }

  /** Show what is allowed. @param {any[]} allowed */
  render(allowed) {
    const shown = allowed.slice(0, MOST_SHOWN);
    byId("allowed").replaceChildren(
      ...shown.map((one) =>
        make(
          "li",
          { class: "allowed-one" },
          make("button", { type: "button", class: "small-button", text: one.name, "aria-label": t("run_begin", { name: one.program }), on: { click: () => this.begin(one) } }),
          make("div", { class: "allowed-about" }, make("code", { text: one.program }), " ", ...this.about(one)),
        ),
      ),
    );
    byId("allowed-none").hidden = shown.length > 0;
    showWhy(byId("allowed-more"), allowed.length > shown.length ? t("run_allowed_more", { n: shown.length }) : "");
  }

  /** Say which arguments a line allows. @returns {(Node | string)[]} */
  about({ args, many }) {
    if (args === null) return [t("run_args_any")];
    if (!args.length) return [t("run_args_none")];
    const patterns = args.flatMap((one) => [make("code", { text: one }), " "]);
    return [t("run_args_like"), " ", ...patterns, many ? "…" : ""];
  }

  /** Begin to type a command that is allowed. */
  begin({ name, args }) {
    this.line.value = args?.length === 0 ? name : `${name} `;
    this.line.focus();
  }

  /** Run what was typed. @param {string} line */
  run(line) {
    const args = wordsOf(line);
    if (!args) showWhy(byId("run-why"), t("run_open"));
    else if (args.length && this.start(args)) this.line.value = "";
  }

  /** Run a command, where there is room for one more. @param {string[]} args */
  start(args) {
    if (this.calls.length >= MOST_CALLS) {
      const oldest = this.calls.findLast((one) => one.isOver);
      if (oldest) this.drop(oldest);
    }
    const isFull = this.calls.length >= MOST_CALLS;
    showWhy(byId("run-why"), isFull ? t("run_many", { n: MOST_CALLS }) : "");
    if (isFull) return false;
    const call = new Call(args, {
      over: (one) => one.element.dataset.state === "failed" && this.refresh(),
      again: (one) => this.start(one.args),
      drop: (one) => this.drop(one),
    });
    this.calls.unshift(call);
    byId("calls").prepend(call.element);
    if (isPhone.matches) byId("allowed-part").open = false; // else what runs is out of sight
    call.element.scrollIntoView({ block: "nearest" });
    return true;
  }

  drop(call) {
    const hadFocus = call.element.contains(document.activeElement);
    call.close();
    call.element.remove();
    this.calls = this.calls.filter((one) => one !== call);
    if (hadFocus) this.line.focus();
  }
}

/**
 * Cut a line into arguments as a shell does: quotes and backslashes count, and nothing else.
 * @param {string} line
 * @returns {string[] | null} null where a quote is not closed
 */
export function wordsOf(line) {
  const words = [];
  /** @type {string | null} */
  let word = null;
  let quote = "";
  for (let at = 0; at < line.length; at += 1) {
    let char = line[at];
    const isEscape = char === "\\" && (!quote || (quote === '"' && '"\\'.includes(line[at + 1] ?? " ")));
    if (isEscape) {
      at += 1;
      if (at === line.length) return null;
      char = line[at];
    } else if (quote ? char === quote : char === '"' || char === "'") {
      quote = quote ? "" : char;
      char = "";
    } else if (!quote && /\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    word = (word ?? "") + char;
  }
  if (quote) return null;
  return word === null ? words : [...words, word];
}
