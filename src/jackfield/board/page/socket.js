/**
 * The connection to the chat, which comes back by itself.
 *
 * 1. What is asked is answered, refused (`Refused`), or lost with the connection (`Lost`).
 * 2. After a loss it is tried again: soon, then ever later up to a bound, with some chance in it so
 *    that a whole room does not come back in one moment; at once when the network returns.
 * 3. A connection that is silent is asked whether it is there: a network that is gone says nothing.
 */

/** The chat has said no. Its message is the reason; `wait` the seconds after which to ask again. */
export class Refused extends Error {
  /** @param {any} answer */
  constructor(answer) {
    super(answer.why);
    this.wait = Number(answer.wait) || 0;
  }
}

/** There is no connection, or it went before the answer came. */
export class Lost extends Error {}

const FIRST_WAIT = 400;
const LONGEST_WAIT = 15_000;
const SILENCE = 25_000;
const PATIENCE = 12_000;

export class Link {
  /**
   * @param {{
   *   url: URL,
   *   hear: (message: any) => void,
   *   state: (state: "connecting" | "open" | "lost") => void,
   *   mayCome: () => Promise<boolean>,
   *   stillThere: () => Promise<unknown>,
   * }} how hear: what the chat says unasked. mayCome: whether this page is still signed in; asked
   *   after a connection that was refused. stillThere: asks something whose answer shows it.
   */
  constructor(how) {
    this.how = how;
    this.isOpen = false;
    /** What the chat has said when it ended the last connection; "" for nothing. */
    this.why = "";
    this.socket = null;
    this.asked = new Map();
    this.number = 0;
    this.fails = 0;
    this.timer = 0;
    this.pulse = 0;
    this.stopped = false;
    addEventListener("online", () => this.now());
    addEventListener("offline", () => this.drop());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
  }

  /** Connect, and keep connected. */
  start() {
    this.how.state("connecting");
    this.connect();
  }

  /** End it for good. */
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.drop();
  }

  /** Try at once, where a try is waited for. */
  now() {
    if (this.stopped || this.socket) return;
    this.fails = 0;
    clearTimeout(this.timer);
    this.connect();
  }

  /**
   * Ask the chat to do something.
   * @param {string} what
   * @param {Record<string, unknown>} fields
   * @returns {Promise<any>} its answer. Fails with Refused or Lost.
   */
  ask(what, fields = {}) {
    return new Promise((give, fail) => {
      if (!this.isOpen) {
        fail(new Lost());
        return;
      }
      const ask = ++this.number;
      const timer = setTimeout(() => this.drop(), PATIENCE);
      this.asked.set(ask, { give, fail, timer });
      this.socket.send(JSON.stringify({ do: what, ...fields, ask }));
    });
  }

  connect() {
    const socket = new WebSocket(this.how.url);
    this.socket = socket;
    const timer = setTimeout(() => this.socket === socket && this.drop(), PATIENCE);
    socket.onopen = () => socket.send(JSON.stringify({ do: "come" }));
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      const message = JSON.parse(event.data);
      if (message.is === "welcome") {
        clearTimeout(timer);
        this.fails = 0;
        this.isOpen = true;
      }
      this.listenOn();
      this.take(message);
      if (message.is === "welcome") this.how.state("open");
    };
    socket.onclose = (event) => {
      clearTimeout(timer);
      if (this.socket !== socket) return;
      this.why = event.reason;
      this.drop();
    };
  }

  take(message) {
    const waiting = this.asked.get(message.ask);
    if (waiting) {
      this.asked.delete(message.ask);
      clearTimeout(waiting.timer);
      if (message.is === "error") waiting.fail(new Refused(message));
      else waiting.give(message);
    } else this.how.hear(message);
  }

  /** See to it that silence is noticed. */
  listenOn() {
    clearTimeout(this.pulse);
    this.pulse = setTimeout(() => {
      if (this.isOpen) this.how.stillThere().catch(() => {});
    }, SILENCE);
  }

  /** Take the connection for lost. */
  drop() {
    const socket = this.socket;
    if (!socket) return;
    this.socket = null;
    this.isOpen = false;
    clearTimeout(this.pulse);
    socket.close();
    for (const { fail, timer } of this.asked.values()) {
      clearTimeout(timer);
      fail(new Lost());
    }
    this.asked.clear();
    this.how.state("lost");
    this.again();
  }

  async again() {
    if (this.stopped) return;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 1.8 ** this.fails) * (0.6 + Math.random() * 0.4);
    this.fails += 1;
    this.timer = setTimeout(async () => {
      // a browser does not tell why a socket was refused: a page that was signed out asks here
      if ((await this.how.mayCome()) && !this.stopped && !this.socket) this.connect();
      else if (!this.stopped && !this.socket) this.again();
    }, wait);
  }
}
