// The virtual servers, a page of them at a time, and behind each its real servers.

import { again, ask } from "./ask.js";
import { $, called, el, list, say, text, told } from "./dom.js";
import { bytes, count, joined, short, things } from "./format.js";
import { remember, remembered } from "./place.js";

const PAGE = 25, REALS = 50;
const DEBOUNCE = 150;
/** The states of real servers, those first that somebody should look at, and how they are counted. */
const STATES = { used: "used though not live", out: "out", draining: "draining", live: "live" };
const RANK = Object.keys(STATES);

/**
 * Show them, every few seconds.
 *
 * `resolve(name)` is what a VIP's name leads to. Returns what has it done at once, and what keys do.
 */
export function vips(resolve) {
  const table = $("servers"), search = $("search");
  const rows = list(table, key, (server) => row(server, resolve), table.tHead);
  let page = Number(remembered("page") || 1) - 1;
  let pages = 1, total = null, asking = new AbortController(), typed = 0;
  search.value = remembered("search");

  const refresh = again(3, async () => {
    const { signal } = asking = new AbortController();
    const word = search.value.trim();
    const range = { search: word, limit: PAGE, offset: page * PAGE };
    let found;
    try {
      found = await ask("status", range, signal);
    } catch (error) {
      if (error.name !== "AbortError" && total === null) told($("nothing"), error.message);
      return; // the glance tells that nobody answers
    }
    pages = Math.max(1, Math.ceil(found.total / PAGE));
    if (page >= pages) { turn(pages - 1); return; }
    rows(found.virtual_servers);
    const first = page * PAGE + 1, until = first - 1 + found.virtual_servers.length;
    text($("range"), found.total
      ? `${count(first)} to ${count(until)} of ${count(found.total)}` : "none");
    told($("nothing"), found.total ? "" : word
      ? `No virtual server has "${word}" in its name, address or tasks.`
      : "There are none: no task asks for one by a label VIP_0, or vip.enabled is false.");
    $("previous").disabled = page === 0;
    $("next").disabled = page === pages - 1;
    const said = total !== null && `${word} ${total}` !== `${word} ${found.total}`;
    if (said) say(things(found.total, "virtual server"));
    total = found.total;
  });

  const now = () => { asking.abort(); refresh(); };
  const turn = (to) => {
    page = Math.min(Math.max(to, 0), pages - 1);
    remember({ page: page ? page + 1 : "" });
    now();
  };
  const find = (word) => {
    search.value = word;
    page = 0;
    remember({ search: word.trim(), page: "" });
    now();
  };
  search.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => find(search.value), DEBOUNCE);
  });
  $("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    find(search.value);
  });
  $("previous").addEventListener("click", () => turn(page - 1));
  $("next").addEventListener("click", () => turn(page + 1));

  const step = (by) => {
    const buttons = [...table.querySelectorAll("button.opens")];
    const at = buttons.indexOf(document.activeElement);
    const to = at < 0 ? (by > 0 ? 0 : buttons.length - 1) : at + by;
    buttons[Math.min(Math.max(to, 0), buttons.length - 1)]?.focus();
  };
  return {
    refresh, find, step,
    next: () => turn(page + 1),
    previous: () => turn(page - 1),
  };
}

const key = (server) => `${server.protocol} ${joined(server)}`;

/** Return the state of a real server in one word: the last that `state` has. */
const state = (real) => real.state.split(", ").at(-1);

/** Return a body of the table for a virtual server: its row, and the one with its real servers. */
function row(server, resolve) {
  const id = `of-${key(server)}`.replaceAll(/[^\w-]/g, "-");
  const name = el("span", { class: "name" }), where = el("span", { class: "where" });
  const bar = el("span", { class: "bar", "aria-hidden": "true" });
  const states = el("span"), why = el("small", { class: "complaint" });
  const numbers = ["", " more", " wide", " wide"].map((more) => el("td", { class: `number${more}` }));
  const inner = detail(resolve);
  const opened = el("tr", { class: "detail", id, hidden: true },
    el("td", { colspan: 6 }, inner.node));
  let latest = server;
  const opens = el("button", {
    type: "button", class: "opens", "aria-expanded": "false", "aria-controls": id,
    click() {
      opened.hidden = !opened.hidden;
      opens.setAttribute("aria-expanded", String(!opened.hidden));
      if (!opened.hidden) inner.update(latest);
    },
  }, name, where);
  const node = el("tbody", {},
    el("tr", {}, el("th", { scope: "row" }, opens), el("td", {}, bar, states, why), ...numbers), opened);
  return {
    node,
    update(found) {
      latest = found;
      const reals = found.real_servers;
      called(name, found.name ?? "", joined(found));
      text(where, `${found.protocol} ${joined(found)} ${found.scheduler}`
        + (found.in_kernel ? "" : " · not in the kernel"));
      node.classList.toggle("missing", !found.in_kernel);
      show(bar, states, reals);
      const reasons = reals.map((real) => real.why).filter(Boolean);
      const more = reasons.length > 1 ? `; ${count(reasons.length - 1)} more` : "";
      text(why, reasons.length ? reasons[0] + more : "");
      const active = reals.reduce((sum, real) => sum + real.active, 0);
      const told = [active, found.connection_rate, found.bytes_in_rate, found.bytes_out_rate];
      told.forEach((value, at) => text(numbers[at], short(value)));
      if (!opened.hidden) inner.update(found);
    },
  };
}

/** Have a bar and words tell how many real servers are in which state. */
function show(bar, states, reals) {
  const numbers = Object.fromEntries(RANK.map((what) => [what, 0]));
  for (const real of reals) numbers[state(real)] += 1;
  const there = Object.entries(numbers).filter(([, number]) => number).reverse();
  const words = there.map(([what, number]) => `${count(number)} ${STATES[what]}`).join(" · ");
  if (states.textContent === (words || "none")) return;
  text(states, words || "none");
  bar.replaceChildren(...there.map(([what, number]) => {
    const part = el("i", { "data-is": what });
    part.style.flexGrow = number;
    return part;
  }));
}

/** Return the real servers of a virtual server: those that are not simply live first. */
function detail(resolve) {
  const head = ["Real server", "Task", "State", "Weight", "Active", "Inactive", "Total", "New/s",
    "In B/s", "Out B/s"];
  const body = el("tbody"), caption = el("caption", { class: "unseen" });
  const rows = list(body, joined, real);
  let most = REALS, latest = null;
  const more = el("button", {
    type: "button", click() { most += REALS; update(latest); },
  });
  const about = el("span");
  const ask = el("button", { type: "button", click() { resolve(latest.name); } }, "Resolve its name");
  const box = el("div", { class: "table", tabindex: "0", role: "region" },
    el("table", {}, caption,
      el("thead", {}, el("tr", {}, ...head.map((words, at) =>
        el("th", { scope: "col", class: at > 2 ? "number" : "" }, words)))), body));
  const update = (server) => {
    latest = server;
    const called = server.name ?? joined(server);
    text(caption, `Real servers of ${called}`);
    box.setAttribute("aria-label", `Real servers of ${called}`);
    text(about, `${things(server.connections, "connection")} so far, `
      + `${bytes(server.bytes_in)} in, ${bytes(server.bytes_out)} out; `
      + `now ${short(server.connection_rate)}/s, ${bytes(server.bytes_in_rate)}/s in, `
      + `${bytes(server.bytes_out_rate)}/s out`);
    ask.hidden = !server.name;
    const sorted = server.real_servers.toSorted((a, b) => RANK.indexOf(state(a)) - RANK.indexOf(state(b)));
    rows(sorted.slice(0, most));
    const left = sorted.length - most;
    told(more, left > 0 ? `Show more (${count(left)} left)` : "");
  };
  return { node: el("div", {}, el("p", { class: "about" }, about, ask), box, more), update };
}

function real() {
  const address = el("th", { scope: "row", class: "mono" });
  const task = el("span"), agent = el("small");
  const is = el("span", { class: "state" }), why = el("small");
  const numbers = Array.from({ length: 7 }, () => el("td", { class: "number" }));
  return {
    node: el("tr", {}, address, el("td", {}, task, agent), el("td", {}, is, why), ...numbers),
    update(found) {
      text(address, joined(found));
      text(task, found.task_id ?? "no task");
      text(agent, found.agent ? `on ${found.agent}` : "");
      is.dataset.is = state(found);
      const left = found.left === null ? "" : `, ${Math.ceil(found.left)} s left`;
      // Why it is not live says what it is, too.
      text(is, (found.why ? state(found) : found.state) + left);
      text(why, found.why);
      [found.weight, found.active, found.inactive, found.connections, found.connection_rate,
        found.bytes_in_rate, found.bytes_out_rate]
        .forEach((value, at) => text(numbers[at], short(value)));
    },
  };
}
