/** What can be typed with a slash before it: the same as by lines, as far as a page has use for it. */

import { t, why } from "./words.js";

/**
 * By name: how it is written, and what it does. What it does may fail with why it cannot be done;
 * false says that it was not written right.
 * @type {Record<string, {usage: string, help: Parameters<typeof t>[0], run: (app: any, rest: string) => any}>}
 */
export const COMMANDS = {
  join: { usage: "/join ROOM", help: "cmd_join", run: (app, rest) => !!rest && app.join(rest) },
  msg: {
    usage: "/msg NAME TEXT",
    help: "cmd_msg",
    run: async (app, rest) => {
      const [, name, text] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
      if (!name) return false;
      await app.direct(name, text);
    },
  },
  topic: {
    usage: "/topic TEXT",
    help: "cmd_topic",
    run: (app, text) => app.link.ask("topic", { room: app.room.name, text }),
  },
  who: {
    usage: "/who",
    help: "cmd_who",
    run: (app) => {
      const room = app.rooms.titleOf(app.room);
      const { names, count } = app.room;
      app.notice(names ? t("who", { room, names: names.join(", ") }) : t("who_count", { room, n: count }));
    },
  },
  rooms: { usage: "/rooms", help: "cmd_rooms", run: (app) => app.palette.show() },
  search: { usage: "/search TEXT", help: "cmd_search", run: (app, text) => app.search.show(text) },
  leave: { usage: "/leave", help: "cmd_leave", run: (app) => app.link.ask("leave", { room: app.room.name }) },
  mute: {
    usage: "/mute NAME [MINUTES]",
    help: "cmd_mute",
    run: async (app, rest) => {
      const [, name, minutes = "10"] = /^(\S+)(?:\s+(\d{1,5}))?$/.exec(rest) ?? [];
      if (!name) return false;
      await app.link.ask("mute", { room: app.room.name, name, seconds: Number(minutes) * 60 });
      app.notice(Number(minutes) ? t("muted", { name, n: minutes }) : t("unmuted", { name }));
    },
  },
  remove: {
    usage: "/remove NAME",
    help: "cmd_remove",
    run: async (app, name) => {
      if (!name) return false;
      await app.link.ask("remove", { room: app.room.name, name });
      app.notice(t("removed", { name }));
    },
  },
  help: {
    usage: "/help",
    help: "cmd_help",
    run: (app) =>
      app.notice(Object.values(COMMANDS).map(({ usage, help }) => `${usage} — ${t(help)}`).join("\n")),
  },
};

/**
 * Do a command.
 * @param {any} app
 * @param {string} typed without its slash
 * @returns {Promise<boolean>} whether it was done; why not is shown
 */
export async function run(app, typed) {
  const [, name, rest] = /^(\S*)\s*([\s\S]*)$/.exec(typed);
  const command = Object.hasOwn(COMMANDS, name.toLowerCase()) ? COMMANDS[name.toLowerCase()] : null;
  if (!command) {
    app.notice(t("cmd_unknown", { name: name.slice(0, 40) }));
    return false;
  }
  try {
    if ((await command.run(app, rest.trim())) !== false) return true;
    app.notice(t("cmd_args", { usage: command.usage }));
  } catch (error) {
    app.notice(error.message ? why(error.message) : t("asked"));
  }
  return false;
}
