/**
 * One command that is run on the board's machine, from its start to its end, and what is seen of it.
 *
 * It has a socket of its own, and ends with it. The messages are those of `jackfield run`: of each
 * stream `WINDOW` bytes may be on the way, and more once the other side has taken some.
 */

import { BASE } from "./door.js";
import { make } from "./dom.js";
import { Output } from "./output.js";
import { locale, t, why } from "./words.js";

const VERSION = 1;
const STDIN = 0;
const WINDOW = 1024 * 1024;
const PIECE = 64 * 1024;

const time = (unit) => new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 1 });
const seconds = time("second");
const parts = time("millisecond");
const encoder = new TextEncoder();

/** What ended a command, where it did not end by itself. */
const REASONS = ["timeout", "output", "memory", "processes", "stopped", "revoked", "server stopped", "client lost", "lost"];

export class Call {
  /**
   * @param {string[]} args the program and its arguments
   * @param {{over: (call: Call) => void, again: (call: Call) => void, drop: (call: Call) => void}} how
   *   over: called when it has ended. again, drop: somebody wants it run once more, or off the page.
   */
  constructor(args, how) {
    this.args = args;
    this.how = how;
    this.isOver = false;
    this.room = WINDOW;
    this.waits = 0;
    /** @type {(Uint8Array | null)[]} what is for its input; null for the end */
    this.input = [];
    this.taken = [0, 0, 0];
    this.name = args.join(" ");
    this.output = new Output(t("run_output", { name: this.name }), (stream, bytes) => this.used(stream, bytes));
    this.state = make("span", { class: "state", role: "status" });
    this.why = make("p", { class: "why", hidden: true });
    const press = (what, click) =>
      make("button", { type: "button", class: "small-button", "data-do": what, text: t(`run_${what}`), "aria-label": `${t(`run_${what}`)}: ${this.name}`, on: { click } });
    this.going = [
      press("interrupt", () => this.say({ do: "signal", signal: "INT" })),
      press("end", () => this.say({ do: "stop" })),
    ];
    this.done = [press("again", () => how.again(this)), press("drop", () => how.drop(this))];
    this.text = make("input", { autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-label": `${t("run_input")}: ${this.name}`, placeholder: t("run_input") });
    this.form = make(
      "form",
      { class: "call-input", hidden: true, on: { submit: (event) => this.type(event) } },
      this.text,
      make("button", { type: "submit", class: "small-button", text: t("run_send") }),
      press("eof", () => this.endInput()),
    );
    this.element = make(
      "li",
      { class: "panel call" },
      make(
        "header",
        { class: "call-head" },
        make("h3", { class: "call-args" }, ...args.map((one) => make("code", { dir: "auto", text: one }))),
        make("div", { class: "service-buttons" }, ...this.going, ...this.done),
      ),
      make("p", { class: "call-state" }, this.state),
      this.why,
      this.output.element,
      this.form,
    );
    this.is("starting");
    this.connect();
  }

  connect() {
    const url = new URL("commands", BASE);
    url.protocol = BASE.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.say({ do: "hello", version: VERSION });
    this.socket.onmessage = (event) => this.hear(event.data);
    this.socket.onclose = () => this.ends("cut", t("run_lost"));
  }

  /** End it, with what it runs: its page goes, or it does from the page. */
  close() {
    this.isOver = true;
    this.socket.close();
  }

  // What is said

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** @param {string | ArrayBuffer} data */
  hear(data) {
    if (this.isOver) return;
    if (typeof data !== "string") {
      const bytes = new Uint8Array(data);
      this.output.add(bytes[0], bytes.subarray(1));
      return;
    }
    const message = JSON.parse(data);
    switch (message.is) {
      case "welcome":
        this.say({ do: "run", args: this.args });
        break;
      case "started":
        this.is("running");
        this.form.hidden = false;
        break;
      case "more":
        this.room += message.bytes;
        this.flush();
        break;
      case "refused":
        this.ends("refused", why(message.why));
        break;
      case "exit":
        this.exits(message);
        break;
    }
  }

  used(stream, bytes) {
    if (stream === STDIN || this.isOver) return;
    this.taken[stream] += bytes;
    if (this.taken[stream] < WINDOW / 4) return;
    this.say({ do: "more", stream, bytes: this.taken[stream] });
    this.taken[stream] = 0;
  }

  // Its input

  /** @param {SubmitEvent} event */
  type(event) {
    event.preventDefault();
    const bytes = encoder.encode(`${this.text.value}\n`);
    if (this.waits + bytes.length > WINDOW) {
      this.tell(t("run_full"));
      return;
    }
    this.tell("");
    this.text.value = "";
    this.output.add(STDIN, bytes);
    this.waits += bytes.length;
    for (let at = 0; at < bytes.length; at += PIECE) this.input.push(bytes.subarray(at, at + PIECE));
    this.flush();
  }

  endInput() {
    this.input.push(null);
    this.form.hidden = true;
    this.flush();
    this.output.list.focus({ preventScroll: true }); // what had it has gone
  }

  /** Send of the input what there is room for. */
  flush() {
    while (this.input.length && (this.input[0]?.length ?? 0) <= this.room) {
      const bytes = this.input.shift();
      if (!bytes) {
        this.say({ do: "end" });
        return;
      }
      const message = new Uint8Array(bytes.length + 1);
      message[0] = STDIN;
      message.set(bytes, 1);
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
      this.room -= bytes.length;
      this.waits -= bytes.length;
    }
  }

  // How it is

  /** @param {string} state @param {string} text what is said of it */
  is(state, text = t(`run_${state}`)) {
    this.state.className = `state ${state}`;
    this.state.textContent = text;
    this.element.dataset.state = state;
    const hadFocus = this.element.contains(document.activeElement);
    for (const one of this.going) one.hidden = state !== "running";
    for (const one of this.done) one.hidden = !this.isOver;
    if (this.isOver) this.form.hidden = true;
    if (hadFocus && document.activeElement?.closest("[hidden]")) this.done[0].focus();
  }

  tell(text) {
    this.why.textContent = text;
    this.why.hidden = !text;
  }

  exits(over) {
    this.output.end();
    const reason = REASONS.includes(over.why) ? t(`run_why_${over.why.replace(" ", "_")}`) : "";
    let how = t("run_unknown");
    if (over.signal) how = t("run_signal", { signal: over.signal });
    else if (over.status !== null) how = t("run_status", { n: over.status });
    const killed = over.killed ? t("run_killed", { n: over.killed }) : "";
    const text = [how, reason, killed, lasting(over.seconds)].filter(Boolean).join(t("comma"));
    this.finish(over.status === 0 && over.why === "exit" ? "done" : "failed", text);
  }

  /** It is over without an end that was told. */
  ends(state, text) {
    if (this.isOver) return;
    this.output.end();
    this.tell(text);
    this.finish("failed", t(`run_${state}`));
  }

  finish(state, text) {
    this.isOver = true;
    this.is(state, text);
    this.socket.close();
    this.how.over(this);
  }
}

/** Say how long it ran. @param {number} time in seconds */
function lasting(time) {
  return time < 1 ? parts.format(Math.ceil(time * 1000)) : seconds.format(time);
}
