/** The parts of the board, side by side: each has a view of its own, of which one is shown. */

import { byId, icon, make } from "./dom.js";
import { t } from "./words.js";

/** @typedef {{name: string, icon: string, view: string}} Tab `view` is the id of its element */

/** @type {Tab[]} */
const TABS = [{ name: "chat", icon: "chat", view: "view-chat" }];

/** Show a tab, and none of the others. @param {string} name */
export function showTab(name) {
  byId("tabs").replaceChildren(
    ...TABS.map((tab) =>
      make(
        "li",
        {},
        make(
          "button",
          {
            type: "button",
            class: "rail-button",
            "aria-current": tab.name === name ? "page" : null,
            on: { click: () => showTab(tab.name) },
          },
          icon(tab.icon),
          make("span", { text: t(`tab_${tab.name}`) }),
        ),
      ),
    ),
  );
  for (const tab of TABS) byId(tab.view).hidden = tab.name !== name;
}
