// The page: each part shows what it asks this node for.

import { $, say, text } from "./dom.js";
import { events } from "./events.js";
import { glance } from "./glance.js";
import { keys } from "./keys.js";
import { keep } from "./place.js";
import { resolve } from "./resolve.js";
import { vips } from "./vips.js";

const enter = (field) => { field.focus(); field.select(); };

/** Milliseconds from an event to what it changed being asked for: more may be about to come. */
const SOON = 300;
const THEMES = ["auto", "light", "dark"];
const root = document.documentElement;

function theme(now) {
  root.dataset.theme = now;
  keep("theme", now);
  text($("theme"), `Theme: ${now}`);
}

function nextTheme() {
  theme(THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length]);
  say(`theme ${root.dataset.theme}`);
}

theme(root.dataset.theme);
$("theme").addEventListener("click", nextTheme);

const refreshGlance = glance();
const servers = vips(resolve());
let soon = 0;
events(() => {
  soon ||= setTimeout(() => { soon = 0; refreshGlance(); servers.refresh(); }, SOON);
}, (word) => { servers.find(word); $("search").focus(); });

keys([
  ["/", "search the virtual servers", () => enter($("search"))],
  ["r", "resolve a name", () => enter($("name"))],
  ["j", "go to the next virtual server; Enter opens it", () => servers.step(1)],
  ["k", "go to the one before", () => servers.step(-1)],
  ["n", "next page", servers.next],
  ["p", "previous page", servers.previous],
  ["e", "go to the events", () => $("timeline").focus()],
  ["t", "change the theme", nextTheme],
]);
