/** Asking before something is done that somebody would miss. */

import { byId } from "./dom.js";

/**
 * Ask whether to do something.
 * @param {string} title the question
 * @param {string} text what it means
 * @param {string} action what is on the button that does it
 * @returns {Promise<boolean>}
 */
export function isSure(title, text, action) {
  const dialog = byId("sure");
  const go = byId("sure-go");
  byId("sure-title").textContent = title;
  byId("sure-text").textContent = text;
  go.textContent = action;
  dialog.returnValue = "";
  dialog.showModal();
  byId("sure-not").focus();
  return new Promise((give) => {
    go.onclick = () => dialog.close("yes");
    byId("sure-not").onclick = () => dialog.close();
    dialog.onclose = () => give(dialog.returnValue === "yes");
  });
}
