/** Coming in: by a name where the board is open, by an invitation or a token, or by a link. */

import { byId, decoded, showWhy } from "./dom.js";
import { t, why } from "./words.js";

/** Where the board is, whatever a proxy calls it: this file is at page/VERSION/ below it. */
export const BASE = new URL("../../", import.meta.url);

/** Ask who this is. Fails where the board cannot be reached. */
export async function whoAmI() {
  const answer = await fetch(new URL("me", BASE), { cache: "no-store" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

/**
 * Send something to the board.
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>} its answer. Fails with why not, and the `status`; TypeError without a way to it.
 */
export async function post(path, body) {
  const answer = await fetch(new URL(path, BASE), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(found.why ?? `${answer.status}`), { status: answer.status });
  return found;
}

/** The secret of the link that was opened; "" where it was none. */
export function secretOfLink() {
  const path = `${BASE.pathname}in/`;
  return location.pathname.startsWith(path) ? decoded(location.pathname.slice(path.length)) : "";
}

/** Give the secret of what was pasted: of a whole link too. @param {string} pasted */
function secretIn(pasted) {
  return pasted.trim().replace(/^https?:\/\/.*\/in\//, "");
}

/**
 * Show the door until somebody has come in.
 * @param {{open: boolean, board: string}} about
 * @returns {Promise<any>} who they are, as `whoAmI()`
 */
export function comeIn(about) {
  const secret = secretOfLink();
  const name = byId("name");
  const token = byId("token");
  let byToken = !about.open || !!secret;
  byId("door-title").textContent = t("door_title", { board: about.board });
  document.title = about.board;
  token.value = secret;

  function render() {
    const text = secret ? "door_link" : byToken ? "door_closed" : "door_open";
    byId("door-text").textContent = t(text);
    byId("door-token").hidden = !byToken || !!secret;
    byId("name-label").textContent = t(byToken ? "door_name_new" : "door_name");
    byId("door-other").hidden = !about.open || !!secret;
    byId("door-other").textContent = t(byToken ? "door_with_name" : "door_with_token");
    showWhy(byId("door-why"), "");
    byId("door").hidden = false;
    (byToken && !secret ? token : name).focus();
  }

  render();
  showWhy(byId("door-why"), why(history.state?.ended ?? ""));
  history.replaceState(null, "");
  byId("door-other").onclick = () => {
    byToken = !byToken;
    render();
  };
  return new Promise((give) => {
    byId("door-form").onsubmit = async (event) => {
      event.preventDefault();
      const go = byId("door-go");
      go.disabled = true;
      showWhy(byId("door-why"), "");
      try {
        const body = { name: name.value.trim(), token: byToken ? secretIn(token.value) : "" };
        const me = await post("sign-in", body);
        token.value = "";
        if (secret) {
          location.replace(BASE); // the link is used up, and its address nothing to come back to
          return;
        }
        byId("door").hidden = true;
        give(me);
      } catch (error) {
        const isLost = error instanceof TypeError;
        showWhy(byId("door-why"), isLost ? t("door_none") : why(error.message));
      } finally {
        go.disabled = false;
      }
    };
  });
}
