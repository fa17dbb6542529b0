// What happened, the latest first, as it happens.

import { ask } from "./ask.js";
import { $, el, list, say, text, told } from "./dom.js";
import { clock, things } from "./format.js";

/** How many are kept and shown. */
const MOST = 200;
/** Seconds until the connection is tried again: the first and the most. */
const RETRY = 1, MOST_RETRY = 30;
/** Milliseconds between two times that screen readers are told. */
const CALM = 10_000;

/** Show them; `changed()` is called when there were some, `find(word)` searches for a subject. */
export function events(changed, find) {
  const rows = list($("timeline"), (event) => event.id, (event) => item(event, find));
  let known = new Map(), last = 0, paused = false, fresh = 0, drawing = 0, spoke = 0;

  const draw = (always = false) => {
    drawing = 0;
    if (!paused || always) {
      fresh = 0;
      const latest = [...known.values()].sort((a, b) => b.id - a.id).slice(0, MOST);
      known = new Map(latest.map((event) => [event.id, event]));
      rows(latest);
    }
    told($("waiting"), waiting(paused, fresh, known.size));
  };
  const later = () => { drawing ||= requestAnimationFrame(() => draw()); };
  const take = (found) => {
    const kind = $("kind").value;
    const there = known.size;
    for (const event of found) if (!kind || event.kind === kind) known.set(event.id, event);
    if (paused) fresh += known.size - there;
    // While paused they are kept, too, but no more than are shown.
    while (known.size > 2 * MOST) known.delete(known.keys().next().value);
    last = Math.max(last, ...found.map((event) => event.id));
    later();
  };
  const catchUp = async () => {
    const kind = $("kind").value, before = last;
    const found = await ask("events", { limit: MOST, kind });
    if (kind !== $("kind").value) return; // who changed it asks, too
    if (found.last < before) { // another node, which counts for itself
      known.clear();
      last = found.last;
    }
    take(found.events);
  };
  const arrived = (event) => {
    take([event]);
    changed();
    if (paused || Date.now() - spoke < CALM) return;
    spoke = Date.now();
    say(sentence(event));
  };

  follow(catchUp, arrived);
  $("kind").addEventListener("change", () => {
    known.clear();
    catchUp().then(() => draw(true)).catch((error) => told($("waiting"), error.message));
  });
  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", String(paused));
    text($("pause"), paused ? "Go on" : "Pause");
    draw();
  });
}

/** Return what is said above the events. */
function waiting(paused, fresh, known) {
  if (paused) return `Paused: ${things(fresh, "event")} since.`;
  return known ? "" : "Nothing has happened yet.";
}

/** Return what stood before and what stands now; null where the event tells of no change. */
function change({ kind, before, after }) {
  if (!before && !after) return null;
  // Of a node or a configuration, what was not there before is a message, and no change.
  if (!before && (kind === "node" || kind === "config")) return ["", after];
  return [before || "none", after || "none"];
}

/** Return an event in a sentence. */
function sentence(event) {
  const [before, after] = change(event) ?? ["", ""];
  const words = [event.kind, event.what, before && `was ${before},`, after && `now ${after}`];
  return [words.filter(Boolean).join(" "), event.why].filter(Boolean).join(", ");
}

/** Have events arrive as long as somebody looks at the page, with the state of the connection. */
function follow(catchUp, arrived) {
  let source = null, retry = RETRY, timer = 0;
  const state = (is, words) => {
    if ($("link").dataset.is === "bad" && is === "good") say("connected again");
    if ($("link").dataset.is === "good" && is === "bad") say("connection lost");
    $("link").dataset.is = is;
    text($("link"), words);
  };
  const leave = () => { source?.close(); source = null; clearTimeout(timer); };
  const lost = () => {
    leave();
    state("bad", `no connection, again in ${retry} s`);
    timer = setTimeout(connect, retry * 1000);
    retry = Math.min(2 * retry, MOST_RETRY);
  };
  const connect = () => {
    leave();
    const one = source = new EventSource("v1/watch");
    const hear = ({ data }) => arrived(JSON.parse(data));
    for (const kind of $("kind").options) {
      if (kind.value) one.addEventListener(kind.value, hear);
    }
    one.addEventListener("open", async () => {
      try {
        await catchUp();
      } catch {
        if (one === source) lost();
        return;
      }
      if (one !== source) return;
      retry = RETRY;
      state("good", "live updates");
    });
    one.addEventListener("error", () => { if (one === source) lost(); });
  };
  document.addEventListener("visibilitychange", () => {
    // A browser has few connections to a host, which pages that nobody sees should not hold.
    if (document.hidden) { leave(); state("unknown", "no updates meanwhile"); } else connect();
  });
  if (!document.hidden) connect();
}

/** Return what finds the virtual servers that an event is about; nothing for none. */
function findable({ kind, what }) {
  if (kind === "task" || kind === "name") return what;
  return kind === "kernel" && what.match(/^(?:tcp|udp|sctp) (\S+)/)?.[1];
}

function item(event, find) {
  const { id, at, kind, what, why } = event;
  const [before, after] = change(event) ?? [];
  const iso = new Date(at * 1000).toISOString();
  const word = findable(event);
  const subject = word
    ? el("button", { type: "button", class: "subject", click() { find(word); } }, what)
    : el("span", { class: "subject" }, what);
  const arrow = before && [before, el("span", { "aria-hidden": "true" }, " → "),
    el("span", { class: "unseen" }, " became ")];
  return {
    node: el("li", { "data-kind": kind, "data-id": id },
      el("time", { datetime: iso, title: iso }, clock(at)),
      el("span", { class: "kind" }, kind), subject,
      ...(after ? [el("span", { class: "change" }, ...(arrow || []), el("b", {}, after))] : []),
      ...(why ? [el("span", { class: "why" }, why)] : [])),
  };
}
