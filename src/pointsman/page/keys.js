// What single keys do, for those who like that, and the list of them.

import { $, el } from "./dom.js";
import { keep, kept } from "./place.js";

/** Have keys work: `actions` is a list of `[key, what it does, function]`. */
export function keys(actions) {
  const box = $("keys"), on = $("keys-on");
  const every = [...actions, ["?", "show this list", () => box.showModal()]];
  $("keys-list").append(...every.map(([key, what]) =>
    el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, what))));
  on.checked = kept("keys") !== "off";
  on.addEventListener("change", () => keep("keys", on.checked ? "on" : "off"));
  $("help").addEventListener("click", () => box.showModal());

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape" && typing) { typing.blur(); return; }
    if (!on.checked || typing || box.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const found = every.find(([key]) => key === event.key);
    if (!found) return;
    event.preventDefault();
    found[2]();
  });
}
