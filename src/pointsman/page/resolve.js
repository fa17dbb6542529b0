// What a name resolves to, and why: which task gave which record, and which was left out.

import { ask } from "./ask.js";
import { $, el, say } from "./dom.js";
import { things } from "./format.js";
import { remember, remembered } from "./place.js";

const MOST = 100;

/** Have the form work; returns what resolves a name at once. */
export function resolve() {
  let asking = new AbortController();

  const show = async () => {
    const name = $("name").value.trim(), type = $("type").value;
    if (!name) return;
    asking.abort();
    const { signal } = asking = new AbortController();
    remember({ name, type: type === "ANY" ? "" : type });
    try {
      const found = await ask("resolve", { name, type }, signal);
      $("answer").replaceChildren(...explained(found));
      say(verdict(found));
    } catch (error) {
      if (error.name === "AbortError") return;
      $("answer").replaceChildren(el("p", { class: "banner bad" }, error.message));
      say(error.message);
    }
  };
  $("resolve-form").addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  $("type").addEventListener("change", show);
  if ($("name").value = remembered("name")) {
    $("type").value = remembered("type") || "ANY";
    show();
  }
  return (name) => {
    $("name").value = name;
    $("type").value = "ANY";
    $("name").focus();
    show();
  };
}

/** Return the answer in one sentence. */
function verdict(found) {
  if (!found.zone) return "In none of this node's zones: the answer is REFUSED.";
  const records = found.answer.reduce((sum, set) => sum + set.data.length, 0);
  if (records) return `${things(records, "record")} from zone ${found.zone}`;
  return found.exists
    ? `No records of this type; the name is there, in zone ${found.zone}`
    : `Not there (NXDOMAIN) in zone ${found.zone}`;
}

/** Return what tells it: a sentence, the records and where each is from, and what was left out. */
function explained(found) {
  const answered = found.answer.flatMap((set) => set.data.map((data) => ({ ...set, data })));
  const from = (type, data) => found.origins
    .filter(({ record }) => record.type === type && record.data === data).map(({ of }) => of);
  const behind = found.origins.filter((origin) => !origin.answered);
  const good = answered.length > 0;
  return [
    el("p", { class: "verdict", "data-is": good ? "good" : "bad" }, verdict(found)),
    ...(good ? [records("Answered", answered.map((one) => [one, from(one.type, one.data)]))] : []),
    ...(behind.length ? [records("Not answered", behind.map(({ record, of }) =>
      [record, [of, because(record)]]))] : []),
    ...(found.left_out.length ? [
      el("h3", {}, "Left out"),
      el("ul", {}, ...found.left_out.slice(0, MOST).map((note) => el("li", {}, note))),
    ] : []),
  ];
}

/** Return why a record stands behind others. */
function because(record) {
  if (record.claim) return "another has this name";
  return record.preferred ? "it stands behind others" : "not healthy";
}

function records(title, rows) {
  const left = rows.length - MOST;
  return el("table", {},
    el("caption", {}, left > 0 ? `${title}, the first ${MOST} of ${rows.length}` : title),
    el("thead", {}, el("tr", {}, ...["Type", "TTL", "Data", "Because of"].map((words) =>
      el("th", { scope: "col" }, words)))),
    el("tbody", {}, ...rows.slice(0, MOST).map(([{ type, ttl, data }, why]) =>
      el("tr", {}, el("td", {}, type), el("td", {}, String(ttl)),
        el("td", { class: "mono" }, data), el("td", {}, why.join("; "))))));
}
