/** What this person may do, as it changes: operators keep order in the lobby, and may run commands. */

import { whoAmI } from "./door.js";

export class Role {
  /** @param {(me: any) => void} become called with what the board says of them, when it may be another */
  constructor(become) {
    this.become = become;
    /** @type {boolean | null} whether they are an operator; null until it was told */
    this.isOperator = null;
  }

  /** @param {{keeper?: boolean} | undefined} lobby as it was told last */
  async see(lobby) {
    const isOperator = !!lobby?.keeper;
    if (isOperator === this.isOperator) return;
    const isFirst = this.isOperator === null;
    this.isOperator = isOperator;
    if (isFirst) return; // the page has just asked
    try {
      this.become(await whoAmI());
    } catch {
      this.isOperator = !isOperator; // nobody can say so now: later
    }
  }
}
