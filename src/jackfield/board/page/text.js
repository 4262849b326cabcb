/** The text of a message as elements: links, code and mentions. Whatever else it holds is text. */

import { make } from "./dom.js";
import { keyOf } from "./rooms.js";

const PARTS = new RegExp(
  [
    "```([\\s\\S]+?)```",
    "`([^`\\n]+)`",
    "(https?://[^\\s<>\"`\\u3000-\\u303f\\uff00-\\uffef]+)",
    "@([\\p{L}\\p{N}_][\\p{L}\\p{N}_.\\-]*)",
  ].join("|"),
  "giu",
);
const BEFORE_MENTION = /[\p{L}\p{N}_@/]$/u;
const MOST_ADDRESS = 2000;
const PICTURES = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|[\u200d\ufe0f\s])+$/u;

/**
 * Give the nodes of a text.
 * @param {string} text
 * @param {string} me whose mentions stand out
 * @returns {Node[]}
 */
export function nodesOf(text, me) {
  const nodes = [];
  let from = 0;
  const plain = (to) => {
    if (to > from) nodes.push(document.createTextNode(text.slice(from, to)));
  };
  for (const found of text.matchAll(PARTS)) {
    const [whole, block, code, address, name] = found;
    const at = found.index;
    let node = null;
    let size = whole.length;
    if (block !== undefined) node = blockOf(block);
    else if (code !== undefined) node = make("code", { text: code });
    else if (address !== undefined) {
      const trimmed = trimmedAddress(address);
      size = trimmed.length;
      node = linkOf(trimmed);
    } else if (!BEFORE_MENTION.test(text.slice(Math.max(0, at - 2), at))) {
      const mentioned = name.replace(/[.-]+$/, "");
      size = mentioned.length + 1;
      const isMe = keyOf(mentioned) === keyOf(me);
      node = make("span", { class: isMe ? "mention me" : "mention", text: `@${mentioned}` });
    }
    if (node) {
      plain(at);
      nodes.push(node);
      from = at + size;
      // the line break around a block is its own
      if (block !== undefined && text[from] === "\n") from += 1;
    }
  }
  plain(text.length);
  return nodes;
}

/** Whether a text is a few pictures and nothing else. @param {string} text */
export const isPictures = (text) => text.length < 24 && PICTURES.test(text) && /\P{N}/u.test(text);

function blockOf(block) {
  const lines = block.replace(/^[\w+#.-]{0,20}\n/, "").replace(/^\n|\n$/g, "");
  return make("pre", { tabindex: "0" }, make("code", { text: lines }));
}

/** Leave out what ends a sentence, and brackets that were opened before the address. */
function trimmedAddress(address) {
  let end = address.length;
  let unopened = address.split(")").length - address.split("(").length;
  for (;;) {
    const last = address[end - 1];
    if (last === ")" && unopened > 0) unopened -= 1;
    else if (!/[.,;:!?'\]}*_~]/.test(last)) return address.slice(0, end);
    end -= 1;
  }
}

/** Make a link; null for what is none, or names a user to look like another site. */
function linkOf(address) {
  if (address.length > MOST_ADDRESS) return null;
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || !url.hostname) return null;
  return make("a", {
    href: url.href,
    target: "_blank",
    rel: "noopener noreferrer nofollow",
    text: address,
  });
}
