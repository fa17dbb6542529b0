// The cluster at a glance: ready or why not, who leads, how much there is, what is missing.

import { again, ask } from "./ask.js";
import { $, el, list, say, text, told } from "./dom.js";
import { clock, count, things } from "./format.js";

const MOST_NOTES = 100;
const FIGURES = [
  ["tasks", "Tasks"], ["agents", "Agents"], ["frameworks", "Frameworks"],
  ["virtual_servers", "Virtual servers"], ["real_servers", "Real servers"], ["names", "Names"],
];

/** Show it, every few seconds; returns what has it done at once. */
export function glance() {
  const figures = list($("figures"), ([name]) => name, figure);
  const complaints = list($("complaints"), (words) => words, (words) => ({
    node: el("li", {}, words),
  }));
  let last = null, answered = Date.now() / 1000;

  $("notes").addEventListener("toggle", notes);
  return again(2, async () => {
    let found;
    try {
      found = await ask("summary");
    } catch (error) {
      told($("stale"), `This node has not answered since ${clock(answered)}: ${error.message}. `
        + "What is shown is as it was then.");
      stand("unknown", "no answer");
      return;
    }
    answered = Date.now() / 1000;
    told($("stale"), "");
    text($("node"), `${found.node} · ${found.version}`);
    text(document.querySelector("title"), title(found));
    stand(found.ready ? "good" : "bad", found.ready ? "ready" : "not ready");
    told($("unready"), found.ready ? "" : `Not ready: ${found.not_ready}`);
    complaints(found.complaints);
    $("lacking").hidden = !found.complaints.length;
    const how = found.mode.replace(/, leader .*/, "");
    figures([
      ["leader", "Leading master", found.leader ?? "unknown", how],
      ...FIGURES.map(([name, title]) => [name, title, count(found[name])]),
    ]);
    if (last && last.notes !== found.notes) notes();
    text($("notes-count"), found.notes ? count(found.notes) : "none");
    if (last && last.ready !== found.ready) say(found.ready ? "ready" : found.not_ready);
    if (last && last.leader !== found.leader) say(`leading master ${found.leader ?? "unknown"}`);
    last = found;
  });
}

const title = ({ node, ready }) => `${ready ? "" : "not ready · "}${node} · Pointsman`;

function stand(is, words) {
  $("standing").dataset.is = is;
  text($("standing"), words);
}

function figure([, title]) {
  const value = el("span"), more = el("small");
  const node = el("div", {}, el("dt", {}, title), el("dd", {}, value, more));
  return {
    node,
    update([, , words, detail]) { text(value, words); text(more, detail ?? ""); },
  };
}

async function notes() {
  if (!$("notes").open) return;
  const found = await ask("notes").catch((error) => [{ where: "this node", why: error.message }]);
  $("notes-list").replaceChildren(...found.slice(0, MOST_NOTES).map(({ where, why }) =>
    el("li", {}, el("b", {}, where), ` ${why}`)));
  const left = found.length - MOST_NOTES;
  told($("notes-more"), left > 0 ? `and ${things(left, "more", "more")} at v1/notes` : "");
}
