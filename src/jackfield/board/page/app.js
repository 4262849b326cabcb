/** The page as a whole: who is here, which room is looked at, and what goes where. */

import { BoardTab } from "./board.js";
import { Composer } from "./composer.js";
import { Cards } from "./cards.js";
import { BASE, comeIn, post, whoAmI, secretOfLink } from "./door.js";
import { avatar, byId, decoded, icon, keep, kept, make, showWhy } from "./dom.js";
import { FilesTab } from "./files.js";
import { RoomList } from "./list.js";
import { Log } from "./log.js";
import { Outbox } from "./outbox.js";
import { Palette, Search } from "./palette.js";
import { People } from "./people.js";
import { Role } from "./role.js";
import { Rooms } from "./rooms.js";
import { CommandsTab } from "./running.js";
import { FIND_KEY, prepareSettings } from "./settings.js";
import { Link } from "./socket.js";
import { Tabs } from "./tabs.js";
import { t, translate, why } from "./words.js";

const LOBBY = "lobby";
const MOST_NOTICES = 20;

const isNarrow = matchMedia("(max-width: 899px)");
const hasColumn = matchMedia("(min-width: 1180px)");

class App {
  /** @param {{name: string, board: string, owner: boolean, files: any, commands: boolean}} me */
  constructor(me) {
    this.me = me;
    /** @type {import("./rooms.js").Room | null} */
    this.room = null;
    this.wanted = "";
    this.notices = 0;
    this.role = new Role((now) => this.become(now));
    /** @type {number | null} */
    this.rendering = null;
    const url = new URL("chat", BASE);
    url.protocol = BASE.protocol === "https:" ? "wss:" : "ws:";
    this.link = new Link({
      url,
      hear: (message) => this.hear(message),
      state: (state) => this.showState(state),
      mayCome: () => this.mayCome(),
      // the answer shows that it is there, and what was missed, if anything was
      stillThere: async () => {
        const page = await this.link.ask("page", { room: LOBBY, most: 1 });
        for (const one of page.messages) this.rooms.takeSaid(one);
      },
    });
    this.rooms = new Rooms(this.link, {
      changed: (room) => room === this.room && this.renderSoon(),
      listed: () => this.renderSoon(),
      mine: (id) => this.outbox.drop(id),
    });
    this.outbox = new Outbox(
      this.link,
      // later: a message that is kept takes the place of the one that waited, in one step
      (name) => name === this.room?.name && this.renderSoon(),
      (name, number) => this.rooms.takeKept(name, number),
    );
    this.cards = new Cards(me.files);
    this.log = new Log(this.rooms, this.outbox, () => this.look(), this.cards);
    this.list = new RoomList(this.rooms, {
      open: (name) => this.open(name),
      find: () => this.palette.show(),
    });
    this.people = new People(this);
    this.palette = new Palette(this);
    this.search = new Search(this);
    this.composer = new Composer(this);
    this.tabs = new Tabs(me, (name) => this.showsTab(name));
    this.board = me.owner ? new BoardTab() : null;
    this.files = me.files ? new FilesTab(this) : null;
    this.commands = me.commands ? new CommandsTab() : null;
    this.settings = prepareSettings({ signOut: () => this.signOut() });
    this.rooms.me = me.name;
    this.outbox.belongTo(me.name);
    this.listen();
  }

  start() {
    byId("board-name").textContent = this.me.board;
    byId("signed-in").textContent = t("signed_in", { name: this.me.name });
    byId("own").replaceChildren(avatar(this.me.name), make("bdi", { text: this.me.name }));
    byId("find-key").textContent = FIND_KEY;
    byId("board").hidden = false;
    this.tabs.show(this.tabs.inAddress || "chat");
    this.showPeople(hasColumn.matches && kept("people") !== "no");
    this.showSide(false);
    this.link.start();
  }

  // What the chat says

  hear(message) {
    switch (message.is) {
      case "welcome":
        if (message.name !== this.me.name) {
          location.reload(); // the owner has called this person otherwise
          break;
        }
        this.rooms.take(message.rooms);
        this.returned();
        this.role.see(this.rooms.all.get(LOBBY));
        break;
      case "room":
        this.rooms.takeOne(message.room);
        this.role.see(this.rooms.all.get(LOBBY));
        if (this.wanted === message.room.room) this.open(this.wanted);
        break;
      case "said":
        this.rooms.takeSaid(message);
        break;
      case "here":
        this.rooms.takeHere(message);
        break;
      case "out":
        this.wasPutOut(message);
        break;
      case "read":
        this.rooms.takeRead(message);
        break;
      case "files":
        this.files?.changed();
        break;
      case "missed":
        this.link.drop(); // coming anew tells all: which rooms there are, and how far each has gone
        break;
    }
  }

  /** The connection is there, or there again. */
  returned() {
    const room = this.rooms.all.get(this.room?.name ?? nameInAddress()) ?? this.rooms.sorted[0];
    if (!room) return;
    if (room !== this.room) this.turnTo(room);
    else this.rooms.load(room);
    this.outbox.send();
    this.files?.returned();
  }

  become({ commands }) {
    if (commands === this.me.commands) return;
    this.me.commands = commands;
    this.tabs.become(this.me);
    if (commands) this.commands ??= new CommandsTab();
    this.commands?.allow(commands);
  }

  wasPutOut({ room: name, why: reason }) {
    const room = this.rooms.all.get(name);
    if (!room) return;
    this.rooms.all.delete(name);
    if (room === this.room) {
      if (this.isInChat) this.open(LOBBY);
      else this.turnTo(this.rooms.all.get(LOBBY));
      this.notice(t("left", { room: this.rooms.titleOf(room), why: why(reason) }));
    }
    this.showList();
  }

  async mayCome() {
    try {
      const me = await whoAmI();
      if (me.name) return true;
    } catch {
      return false; // nobody can say so now
    }
    this.link.stop();
    history.replaceState({ ended: this.link.why }, "");
    location.reload(); // signed out elsewhere, or sent away: the door says why
    return false;
  }

  showState(state) {
    const banner = byId("banner");
    banner.hidden = state === "open";
    banner.textContent = state === "connecting" ? t("connecting") : t("offline");
    banner.classList.toggle("lost", state === "lost");
    const small = byId("link-state");
    small.className = `link-state ${state}`;
    const text = state === "open" ? t("online") : state === "lost" ? t("offline_short") : t("connecting");
    small.replaceChildren(make("span", { class: "unseen", text }));
    small.title = text;
  }

  // Going somewhere

  get isInChat() {
    return this.tabs.current === "chat";
  }

  /** Do what belongs to another tab being shown. @param {string} name */
  showsTab(name) {
    this.closePeople();
    this.showSide(false);
    this.board?.look(name === "board");
    this.files?.look(name === "files");
    this.commands?.look(name === "commands");
    byId("skip").textContent = t(this.isInChat ? "skip" : `skip_${name}`);
    const hash = !this.isInChat ? this.tabs.addressOf(name) : this.room ? addressOf(this.room) : location.hash;
    if (location.hash !== hash) location.hash = hash;
    this.look();
    this.showList();
    // on a phone what had the focus has gone with its drawer
    if (isNarrow.matches && this.room) byId(this.isInChat ? "log" : `${name}-title`).focus({ preventScroll: true });
  }

  /** Look at a room that one is in; one that is about to come is looked at then. @param {string} name */
  open(name) {
    const room = this.rooms.all.get(name);
    this.wanted = room ? "" : name;
    this.tabs.show("chat");
    this.showSide(false);
    if (room && room !== this.room) this.turnTo(room);
    if (!room) return;
    // on a phone that would bring its keyboard up
    if (isNarrow.matches) byId("log").focus({ preventScroll: true });
    else this.composer.focus();
  }

  turnTo(room) {
    const before = this.room;
    if (before) before.divider = null;
    if (before) before.isLookedBack = false;
    this.room = room;
    room.divider = room.unread ? room.read : null;
    const hash = addressOf(room);
    if (this.isInChat && location.hash !== hash) {
      if (before) location.hash = hash;
      else history.replaceState(null, "", hash);
    }
    this.composer.turnTo(room, before);
    this.files?.turnTo(room);
    this.log.show(room);
    this.render();
    this.showList();
    this.rooms.load(room);
  }

  async join(name) {
    const answer = await this.link.ask("join", { room: name });
    this.open(answer.room);
  }

  async direct(name, text = "") {
    const answer = await this.link.ask("direct", { name });
    this.open(answer.room);
    if (text.trim()) this.outbox.say(answer.room, text.trim());
  }

  /** Do what may be refused, and show why. @param {() => any} work */
  async trying(work) {
    try {
      await work();
    } catch (error) {
      this.notice(error.message ? why(error.message) : t("asked"));
    }
  }

  say(text) {
    this.room.divider = null;
    this.outbox.say(this.room.name, text);
    this.log.toNewest();
  }

  /** Tell this person alone something, where messages are. @param {string} text */
  notice(text) {
    const { room } = this;
    room.notices.push({ after: room.end, text, id: ++this.notices });
    room.notices = room.notices.slice(-MOST_NOTICES);
    this.log.render();
  }

  // What is shown

  /** Show what has changed, a moment from now: much may change in it. */
  renderSoon() {
    this.rendering ??= setTimeout(() => {
      this.rendering = null;
      this.render();
      this.showList();
    }, 20);
  }

  render() {
    const { room } = this;
    if (!room) return;
    const isDirect = room.kind === "direct";
    byId("room-name").textContent = this.rooms.titleOf(room);
    const topic = byId("room-topic");
    topic.textContent = isDirect ? t("direct_about") : room.topic || t("topic_none");
    topic.title = topic.textContent;
    topic.disabled = isDirect;
    topic.setAttribute("aria-label", `${t("topic_edit")}: ${topic.textContent}`);
    byId("log").setAttribute("aria-label", this.rooms.titleOf(room));
    this.people.render(room);
    this.log.render();
    this.look();
  }

  /** Note what is read, when somebody looks at it. */
  look() {
    if (!this.room) return;
    const isLooking = this.isInChat && document.hasFocus() && !document.hidden;
    if (isLooking && this.log.isAtEnd) this.rooms.markRead(this.room);
    else if (this.room.divider === null && this.room.unread) this.room.divider = this.room.read;
  }

  showList() {
    if (!this.room) return;
    this.list.render(this.room.name);
    const rooms = [...this.rooms.all.values()];
    const mine = rooms.reduce((sum, room) => sum + (room.unread ? room.mentions : 0), 0);
    const others = rooms.some((room) => room.unread && !(room === this.room && this.isInChat));
    byId("elsewhere").hidden = !others;
    byId("elsewhere").classList.toggle("mine", mine > 0);
    this.tabs.mark("chat", others && !this.isInChat ? t("new_messages") : "");
    const what = this.isInChat ? this.rooms.titleOf(this.room) : t(`tab_${this.tabs.current}`);
    const title = `${what} · ${this.me.board}`;
    document.title = mine ? `(${mine}) ${title}` : title;
  }

  showSide(isShown) {
    const isOver = isNarrow.matches;
    const shown = isShown && isOver;
    document.body.classList.toggle("side-open", shown);
    byId("side").inert = isOver && !shown;
    for (const one of document.querySelectorAll(".view")) one.inert = shown;
    for (const one of document.querySelectorAll(".side-button")) one.setAttribute("aria-expanded", String(shown));
    this.showScrim();
    if (shown) this.list.focus();
  }

  /** What opens the list of rooms, in the tab that is shown. @returns {HTMLElement} */
  get sideButton() {
    return this.tabs.view.querySelector(".side-button");
  }

  showPeople(isShown) {
    document.body.classList.toggle("people-open", isShown);
    byId("people").hidden = !isShown;
    byId("people-button").setAttribute("aria-expanded", String(isShown));
    this.showScrim();
    if (isShown && !hasColumn.matches && this.room) byId("people-close").focus();
  }

  showScrim() {
    const { classList } = document.body;
    const people = classList.contains("people-open") && !hasColumn.matches;
    byId("scrim").hidden = !(classList.contains("side-open") || people);
  }

  /** Close the people where they lie over the messages. */
  closePeople() {
    if (!hasColumn.matches) this.showPeople(false);
  }

  // What is pressed

  listen() {
    byId("find-button").addEventListener("click", () => this.palette.show());
    byId("search-button").addEventListener("click", () => this.search.show());
    byId("settings-button").addEventListener("click", () => this.settings.showModal());
    for (const one of document.querySelectorAll(".side-button")) {
      one.addEventListener("click", () => this.showSide(true));
    }
    byId("scrim").addEventListener("click", () => this.closeOver());
    byId("people-close").addEventListener("click", () => this.showPeople(false));
    byId("people-button").addEventListener("click", () => {
      const isShown = byId("people").hidden;
      if (hasColumn.matches) keep("people", isShown ? "" : "no");
      this.showPeople(isShown);
    });
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault();
      if (this.isInChat) this.composer.focus();
      else byId(`${this.tabs.current}-title`).focus();
    });
    byId("room-topic").addEventListener("click", () => this.showAbout());
    byId("topic-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.setTopic();
    });
    byId("leave-room").addEventListener("click", () => {
      byId("about-room").close();
      this.trying(() => this.link.ask("leave", { room: this.room.name }));
    });
    for (const dialog of document.querySelectorAll("dialog")) {
      // a click beside a dialog is one on itself, outside of all that it holds
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
      dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
    }
    addEventListener("hashchange", () => {
      const name = nameInAddress();
      if (this.tabs.inAddress) this.tabs.show(this.tabs.inAddress);
      else if (this.rooms.all.has(name)) this.open(name);
    });
    addEventListener("focus", () => {
      this.look();
      this.showList();
    });
    addEventListener("keydown", (event) => this.onKey(event));
    // where the keyboard of a phone lies over the page and takes nothing from its height
    visualViewport?.addEventListener("resize", () => {
      byId("board").style.setProperty("--height", `${visualViewport.height}px`);
      scrollTo(0, 0);
    });
    isNarrow.addEventListener("change", () => this.showSide(false));
    hasColumn.addEventListener("change", () => this.showPeople(hasColumn.matches && kept("people") !== "no"));
  }

  onKey(event) {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) this.palette.show();
    } else if (document.querySelector("dialog[open]") || !this.room) {
      // the dialog has the keys
    } else if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.open(this.list.beside(event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Escape" && !this.closeOver() && this.isInChat) {
      this.log.toNewest();
      this.composer.focus();
    }
  }

  /** Close what lies over the messages; whether anything did. */
  closeOver() {
    const { classList } = document.body;
    if (classList.contains("side-open")) {
      this.showSide(false);
      this.sideButton.focus();
      return true;
    }
    if (classList.contains("people-open") && !hasColumn.matches) {
      this.showPeople(false);
      byId("people-button").focus();
      return true;
    }
    return false;
  }

  showAbout() {
    const { room } = this;
    byId("about-room-name").textContent = this.rooms.titleOf(room);
    byId("topic-text").value = room.topic;
    byId("leave-room").hidden = room.name === LOBBY;
    showWhy(byId("topic-why"), "");
    byId("about-room").showModal();
  }

  async setTopic() {
    try {
      await this.link.ask("topic", { room: this.room.name, text: byId("topic-text").value });
      byId("about-room").close();
    } catch (error) {
      showWhy(byId("topic-why"), error.message ? why(error.message) : t("asked"));
    }
  }

  async signOut() {
    this.link.stop();
    await post("sign-out", {}).catch(() => {});
    location.replace(BASE);
  }
}

/** How a room is written in the address. @param {import("./rooms.js").Room} room */
const addressOf = (room) => `#/${encodeURIComponent(room.name)}`;

/** The room that the address names; "" without one. */
const nameInAddress = () => decoded(location.hash.replace(/^#\/?/, ""));

async function begin() {
  translate(document);
  for (const one of document.querySelectorAll("[data-icon]")) one.prepend(icon(one.dataset.icon));
  let me = null;
  while (!me) {
    try {
      me = await whoAmI();
    } catch {
      await new Promise((go) => setTimeout(go, 1500));
    }
  }
  if (me.name && secretOfLink()) {
    location.replace(BASE);
    return;
  }
  const app = new App(me.name ? me : await comeIn(me));
  app.start();
}

begin();
