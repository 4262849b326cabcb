/** Appearance, language, which keys and commands there are, and signing out. */

import { COMMANDS } from "./commands.js";
import { byId, keep, kept, make } from "./dom.js";
import { t } from "./words.js";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

/** How the key that finds things is written here. */
export const FIND_KEY = MAC ? "⌘K" : "Ctrl K";

const KEYS = [
  [FIND_KEY, "key_find"],
  ["Alt ↑ ↓", "key_rooms"],
  ["Enter", "key_enter"],
  ["↑ ↓ Home End", "key_list"],
  ["Esc", "key_escape"],
];

/** Make the dialog ready. @param {{signOut: () => void}} to */
export function prepareSettings(to) {
  const dialog = byId("settings");
  for (const name of ["theme", "language"]) {
    for (const one of dialog.querySelectorAll(`[name=${name}]`)) {
      one.checked = one.value === kept(name);
      one.addEventListener("change", () => change(name, one.value));
    }
  }
  const rows = (pairs) => pairs.flatMap(([keys, text]) => [make("dt", {}, make("kbd", { text: keys })), make("dd", { text })]);
  byId("keys").replaceChildren(...rows(KEYS.map(([keys, text]) => [keys, t(text)])));
  byId("commands").replaceChildren(...rows(Object.values(COMMANDS).map((one) => [one.usage, t(one.help)])));
  byId("sign-out").addEventListener("click", to.signOut);
  return dialog;
}

function change(name, value) {
  keep(name, value);
  if (name === "theme") {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  } else {
    location.reload(); // every text is written anew; what was not sent yet stays
  }
}
