/** Who may come in, for the board's owner: invitations are made, tokens listed and made useless. */

import { BASE } from "./door.js";
import { UNITS, byId, make } from "./dom.js";
import { isSure } from "./sure.js";
import { locale, t } from "./words.js";

const DAY = 86400;

const whole = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const ago = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** Where nobody else would find the page: the board knows better what it is called. */
const IS_LOCAL = /^(localhost|127\.[\d.]+|\[::1\])$/.test(BASE.hostname);

export class Coming {
  /**
   * @param {{
   *   ask: (what: string, fields?: Record<string, unknown>) => Promise<any>,
   *   say: (said: string | Error) => void,
   * }} board
   */
  constructor(board) {
    this.board = board;
    this.list = byId("tokens");
    byId("invite-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.invite();
    });
    byId("invite-copy").addEventListener("click", () => this.copy());
    byId("tokens-all").addEventListener("change", () => this.refresh());
  }

  async invite() {
    const role = byId("invite-form").querySelector("[name=role]:checked").value;
    const fields = { role, expires: Number(byId("invite-days").value) * DAY, uses: Number(byId("invite-uses").value) };
    const go = byId("invite-go");
    go.disabled = true;
    this.board.say("");
    try {
      const made = await this.board.ask("invite", IS_LOCAL ? fields : { ...fields, base: BASE.href });
      byId("invite-link").value = made.link;
      byId("invite-code").src = made.picture;
      byId("invite-code").alt = t("invite_code");
      byId("invite-copy").textContent = t("copy");
      byId("invite-made").hidden = false;
      byId("invite-for").textContent = t(made.uses === 1 ? "invite_one" : "invite_many", {
        n: made.uses,
        role: t(`role_${made.role}`),
        until: untilOf(made.expires),
      });
      byId("invite-made").scrollIntoView({ block: "nearest" });
      byId("invite-copy").focus({ preventScroll: true });
    } catch (error) {
      this.board.say(error);
    } finally {
      go.disabled = false;
    }
    this.refresh();
  }

  async copy() {
    const link = byId("invite-link");
    try {
      await navigator.clipboard.writeText(link.value);
    } catch {
      link.select(); // a page over plain HTTP has no clipboard of that kind
      document.execCommand("copy");
    }
    byId("invite-copy").textContent = t("copied");
  }

  /** List the tokens anew. */
  async refresh() {
    let found;
    try {
      found = await this.board.ask("tokens", { all: byId("tokens-all").checked });
    } catch (error) {
      if (!(error instanceof TypeError)) this.board.say(error); // without a connection more is said
      return;
    }
    this.list.replaceChildren(...found.tokens.map((one) => this.row(one)));
    byId("tokens-more").textContent = found.more ? t("tokens_more", { n: found.more }) : "";
    byId("tokens-more").hidden = !found.more;
  }

  row(one) {
    const isGood = one.state === "good";
    const whose = one.name || one.label;
    const facts = [one.last_used === null ? t("token_never") : t("token_used", { when: agoOf(one.last_used) })];
    if (isGood && one.expires !== null) facts.push(t("token_until", { when: untilOf(one.expires) }));
    if (isGood && one.kind === "invite") facts.push(t("token_uses", { n: one.uses }));
    const title = make("div", { class: "token-title" });
    const add = (tag, kind, text) => text && title.append(make(tag, { class: kind, text }), " ");
    add("span", "number", String(one.number));
    add("span", "token-kind", t(`kind_${one.kind}`));
    add("bdi", "whose", whose || (one.role && t(`role_${one.role}`)));
    add("span", "tag", one.own && t("token_own"));
    add("span", "tag", !isGood && t(`token_${one.state.replace(" ", "_")}`));
    const revoke = make("button", {
      type: "button",
      class: "small-button danger",
      text: t("revoke"),
      "aria-label": `${t("revoke")}: ${one.number}, ${t(`kind_${one.kind}`)} ${whose}`,
      on: { click: () => this.revoke(one) },
    });
    return make(
      "li",
      { class: isGood ? "token" : "token over", "data-token": one.number },
      make("div", { class: "token-about" }, title, make("p", { class: "facts", text: facts.join(" · ") })),
      isGood ? revoke : null,
    );
  }

  async revoke(one) {
    const hurts = one.own ? "revoke_own" : one.kind === "session" ? "revoke_session" : "revoke_link";
    const title = t("sure_revoke", { n: one.number, kind: t(`kind_${one.kind}`), name: one.name || one.label });
    if (!(await isSure(title.trim(), t(hurts, { name: one.name }), t("revoke")))) return;
    try {
      this.board.say((await this.board.ask("revoke", { number: one.number })).text);
    } catch (error) {
      this.board.say(error);
    }
    await this.refresh();
    byId("tokens-title").focus({ preventScroll: true }); // its button is gone
  }
}

/** Say until when something is. @param {number} at seconds since 1970 */
function untilOf(at) {
  return whole.format(at * 1000);
}

/** Say how long ago something was. @param {number} at seconds since 1970 */
function agoOf(at) {
  const seconds = Math.max(0, Math.floor(Date.now() / 1000 - at));
  const [unit, size] = UNITS.find(([, one]) => seconds >= one) ?? ["minute", 60];
  return ago.format(-Math.floor(seconds / size), unit);
}
