/** What the page says, in English and in Chinese: by a setting, else by the browser's languages. */

import { kept } from "./dom.js";

const EN = {
  door_title: "Come in to {board}",
  door_open: "Choose a name; others see it beside what you say.",
  door_closed: "Paste the invitation or the token that you were given.",
  door_link: "This link lets you in.",
  door_name: "Your name",
  door_name_new: "Your name, if you are new here",
  door_token: "Invitation or token",
  door_go: "Come in",
  door_with_token: "I have an invitation",
  door_with_name: "Come in by a name alone",
  door_wait: "One moment…",
  door_none: "The board cannot be reached just now. Try again in a moment.",
  skip: "To the message box",
  board_parts: "Parts of the board",
  tab_chat: "Chat",
  settings: "Settings",
  rooms: "Rooms",
  directs: "Direct messages",
  rooms_open: "Open the list of rooms",
  rooms_close: "Close the list of rooms",
  find: "Find or go to…",
  find_long: "Find a room, a person, or something said",
  find_in: "Your rooms",
  find_rooms: "Other rooms",
  find_people: "People",
  find_join: "Make the room “{name}”",
  find_said: "Search messages for “{text}”",
  find_direct: "Write to {name}",
  join_room: "Join or make a room",
  search_messages: "Search messages",
  search_where: "Where to search",
  search_all: "In all rooms",
  search_here: "In {room}",
  search_more: "Older ones",
  search_none: "Nothing like it was said.",
  search_some: "{n} found, newest first",
  search_first: "Words, or a part in Chinese. Newest first.",
  close: "Close",
  send: "Send",
  say_in: "Message {room}",
  hint: "Enter sends · Shift+Enter makes a new line · / for commands",
  mention_whom: "Whom to mention",
  people: "People",
  people_here: "{n} here",
  people_title: "Here now: {n}",
  people_many: "More than a hundred are here, so they are counted and not named.",
  people_show: "Who is here: {n}",
  you: "you",
  person_direct: "Write a direct message",
  person_mention: "Mention here",
  person_mute: "Mute here for 10 minutes",
  person_unmute: "End muting",
  person_remove: "Remove from this room",
  topic: "Topic",
  topic_none: "No topic yet",
  topic_set: "Set the topic",
  topic_edit: "About this room",
  direct_about: "Only the two of you see this",
  leave_room: "Leave this room",
  empty_room: "Nothing was said here yet. Say hello.",
  empty_direct: "This is between you and {name} alone.",
  beginning: "This is where {room} begins.",
  loading: "Loading…",
  new_messages: "New",
  newest: "To the newest",
  newest_n: "{n} new below",
  today: "Today",
  yesterday: "Yesterday",
  connecting: "Connecting…",
  offline: "No connection. Reconnecting… What you write now is sent afterwards.",
  offline_short: "offline",
  online: "connected",
  pending: "Waiting to be sent",
  failed: "Not sent: {why}",
  again: "Try again",
  discard: "Discard",
  unread: "{n} unread",
  mentioned: "{n} for you",
  theme: "Appearance",
  theme_system: "As the system",
  theme_light: "Light",
  theme_dark: "Dark",
  language: "Language",
  language_browser: "As the browser",
  keys: "Keys",
  commands: "Commands",
  signed_in: "You are here as {name}.",
  sign_out: "Sign out",
  key_find: "find a room, a person, or something said",
  key_rooms: "room before or after this one",
  key_escape: "close what is open; go to the newest",
  key_enter: "send; with Shift, a new line",
  key_list: "go through a list",
  cmd_join: "go into a room, which is made if there is none",
  cmd_msg: "say something to one person alone",
  cmd_topic: "what this room is about",
  cmd_who: "who is in this room",
  cmd_rooms: "which rooms there are",
  cmd_search: "find what was said",
  cmd_leave: "leave this room",
  cmd_mute: "in a room of your own: have somebody say nothing for a time",
  cmd_remove: "in a room of your own: put somebody out",
  cmd_help: "show these commands",
  cmd_unknown: "There is no command /{name}. /help shows all; to say it as it is, begin with //.",
  cmd_args: "Write {usage}.",
  who: "In {room}: {names}",
  who_count: "In {room}: {n} people",
  muted: "{name} is muted here for {n} minutes.",
  unmuted: "{name} may speak here again.",
  removed: "{name} was removed from this room.",
  left: "You are not in {room} any more: {why}",
  asked: "That takes a connection. Try again in a moment.",
  too_long: "A message has at most 4000 characters; this one has {n}.",
  text_left: "{n} left",
};

/** @type {Record<keyof typeof EN, string>} */
const ZH = {
  door_title: "进入 {board}",
  door_open: "起一个名字，别人会在你的话旁边看到它。",
  door_closed: "粘贴你收到的邀请或令牌。",
  door_link: "这个链接可以让你进来。",
  door_name: "你的名字",
  door_name_new: "你的名字（第一次来时填写）",
  door_token: "邀请或令牌",
  door_go: "进入",
  door_with_token: "我有邀请",
  door_with_name: "只用名字进入",
  door_wait: "请稍候…",
  door_none: "现在连不上，请稍后再试。",
  skip: "跳到输入框",
  board_parts: "功能",
  tab_chat: "聊天",
  settings: "设置",
  rooms: "房间",
  directs: "私聊",
  rooms_open: "打开房间列表",
  rooms_close: "关闭房间列表",
  find: "查找或前往…",
  find_long: "查找房间、人或说过的话",
  find_in: "我的房间",
  find_rooms: "其他房间",
  find_people: "人",
  find_join: "新建房间“{name}”",
  find_said: "在消息中搜索“{text}”",
  find_direct: "给 {name} 发私信",
  join_room: "加入或新建房间",
  search_messages: "搜索消息",
  search_where: "搜索范围",
  search_all: "所有房间",
  search_here: "仅 {room}",
  search_more: "更早的",
  search_none: "没有找到。",
  search_some: "找到 {n} 条，新的在前",
  search_first: "输入词语，或中文的任意几个字。新的在前。",
  close: "关闭",
  send: "发送",
  say_in: "在 {room} 中发言",
  hint: "回车发送 · Shift+回车换行 · / 输入命令",
  mention_whom: "提到谁",
  people: "成员",
  people_here: "{n} 人在线",
  people_title: "在线：{n}",
  people_many: "在线超过一百人，只显示人数。",
  people_show: "在线的人：{n}",
  you: "你",
  person_direct: "发私信",
  person_mention: "在此提到",
  person_mute: "在此禁言 10 分钟",
  person_unmute: "解除禁言",
  person_remove: "移出此房间",
  topic: "话题",
  topic_none: "还没有话题",
  topic_set: "设定话题",
  topic_edit: "关于此房间",
  direct_about: "只有你们两人能看到",
  leave_room: "离开此房间",
  empty_room: "这里还没有人说话，打个招呼吧。",
  empty_direct: "这里只有你和 {name}。",
  beginning: "{room} 从这里开始。",
  loading: "加载中…",
  new_messages: "新消息",
  newest: "回到最新",
  newest_n: "下面有 {n} 条新消息",
  today: "今天",
  yesterday: "昨天",
  connecting: "正在连接…",
  offline: "连接已断开，正在重新连接… 现在写的话会在恢复后发出。",
  offline_short: "离线",
  online: "已连接",
  pending: "等待发送",
  failed: "未发送：{why}",
  again: "重试",
  discard: "删除",
  unread: "{n} 条未读",
  mentioned: "{n} 条提到你",
  theme: "外观",
  theme_system: "跟随系统",
  theme_light: "浅色",
  theme_dark: "深色",
  language: "语言",
  language_browser: "跟随浏览器",
  keys: "按键",
  commands: "命令",
  signed_in: "你现在是 {name}。",
  sign_out: "退出",
  key_find: "查找房间、人或说过的话",
  key_rooms: "上一个或下一个房间",
  key_escape: "关闭打开的窗口；回到最新",
  key_enter: "发送；加 Shift 换行",
  key_list: "在列表中移动",
  cmd_join: "进入房间，没有就新建",
  cmd_msg: "只对一个人说",
  cmd_topic: "这个房间的话题",
  cmd_who: "谁在这个房间",
  cmd_rooms: "有哪些房间",
  cmd_search: "查找说过的话",
  cmd_leave: "离开这个房间",
  cmd_mute: "在自己的房间里：让某人暂时不能发言",
  cmd_remove: "在自己的房间里：把某人移出",
  cmd_help: "显示这些命令",
  cmd_unknown: "没有命令 /{name}。/help 显示全部；要原样发出，请以 // 开头。",
  cmd_args: "请写 {usage}。",
  who: "{room} 中：{names}",
  who_count: "{room} 中有 {n} 人",
  muted: "{name} 在此被禁言 {n} 分钟。",
  unmuted: "{name} 可以在此发言了。",
  removed: "{name} 已被移出此房间。",
  left: "你已不在 {room}：{why}",
  asked: "这需要连接，请稍后再试。",
  too_long: "一条消息最多 4000 个字，这一条有 {n} 个。",
  text_left: "还可写 {n} 字",
};

/** What the board refuses with, as it says it, and the Chinese for it. */
const WHY_ZH = [
  [/^(.+) is here already; choose another name$/, "$1 已在这里，请换一个名字"],
  [/^a name has at least one letter$/, "名字至少要有一个字"],
  [/^a name has at most (\d+) characters$/, "名字最多 $1 个字"],
  [/^the name of a room has at most (\d+) characters$/, "房间名最多 $1 个字"],
  [/^(?:a name|the name of a room) is made of .*$/, "只能用文字、数字、“_”、“-”和“.”，且以文字开头"],
  [/^nobody is called (.+); choose another$/, "不能叫 $1，请换一个"],
  [/^not so fast.*$/, "说得太快了，请稍等"],
  [/^you are muted here for (\d+) minutes? more$/, "你在这里被禁言，还有 $1 分钟"],
  [/^you were removed from (.+); ask its owner$/, "你被移出了 $1，请联系房主"],
  [/^only the owner of a room changes its topic$/, "只有房主能改话题"],
  [/^only the owner of a room, or an operator, may do that$/, "只有房主或管理员能这样做"],
  [/^that is you$/, "那是你自己"],
  [/^everybody stays in the lobby$/, "不能离开大厅"],
  [/^nobody is removed from the lobby.*$/, "不能把人移出大厅，可以禁言"],
  [/^nobody called (.+) is here$/, "$1 不在这里"],
  [/^(.+) has removed you$/, "$1 把你移出了"],
  [/^you have left it$/, "你离开了"],
  [/^a direct conversation has no topic$/, "私聊没有话题"],
  [/^a topic has at most (\d+) characters.*$/, "话题最多 $1 个字"],
  [/^guests have no direct conversations.*$/, "访客不能私聊，请先索取邀请"],
  [/^that is a guest, and guests have no direct conversations$/, "对方是访客，访客不能私聊"],
  [/^you are in (\d+) rooms already.*$/, "你已在 $1 个房间里，请先离开一个"],
  [/^this board is for those who are invited.*$/, "这里只对受邀的人开放，请索取邀请"],
  [/^that token is no good, or no more.*$/, "这个令牌无效，请索取邀请"],
  [/^that lets nobody in.*$/, "这个链接无效，请索取新的"],
  [/^this link is .*$/, "这个链接已用过或过期，请索取新的"],
  [/^a guest is called (.+) now.*$/, "现在有位访客叫 $1，请换一个名字或稍等"],
  [/^(.+) is somebody's name here.*$/, "$1 是别人的名字，请换一个"],
  [/^too many tries from where you are: wait (\d+) s.*$/, "尝试太多次了，请等 $1 秒"],
];

/** @returns {"en" | "zh"} */
function choose() {
  const set = kept("language");
  if (set === "en" || set === "zh") return set;
  for (const language of navigator.languages ?? []) {
    if (/^zh\b/i.test(language)) return "zh";
    if (/^en\b/i.test(language)) return "en";
  }
  return "en";
}

export const language = choose();
document.documentElement.lang = language;
const WORDS = language === "zh" ? ZH : EN;

/** What dates and numbers are written by: the browser's own kind of this language, if it has one. */
export const locale =
  (navigator.languages ?? []).find((one) => one.toLowerCase().startsWith(language)) ?? language;

/**
 * Give a text.
 * @param {keyof typeof EN} key
 * @param {Record<string, string | number>} values what stands for the names in braces
 */
export function t(key, values = {}) {
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Give the board's reason in the page's language, as far as it is known. @param {string} text */
export function why(text) {
  if (language === "zh") {
    for (const [pattern, chinese] of WHY_ZH) {
      if (pattern.test(text)) return text.replace(pattern, chinese);
    }
  }
  return text;
}

/** Write the texts of what stands in index.html. @param {ParentNode} root */
export function translate(root) {
  for (const one of root.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of root.querySelectorAll("[data-t-label]")) {
    const text = t(one.dataset.tLabel);
    one.setAttribute("aria-label", text);
    if (one.tagName === "BUTTON") one.title = text;
  }
  for (const one of root.querySelectorAll("[data-t-placeholder]")) {
    one.placeholder = t(one.dataset.tPlaceholder);
  }
}
