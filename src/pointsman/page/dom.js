// Builds elements, and keeps those of a list in step with values, touching only what differs: what
// has the focus keeps it, and a refresh that changes nothing costs nothing.

/** Return the element with this id. */
export const $ = (id) => document.getElementById(id);

/** Return a new element; attributes that are functions listen to the event of their name. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Have a node say this. */
export function text(node, value) {
  if (node.textContent !== String(value)) node.textContent = value;
}

/** Have a node say a name, its first label above all; or, where there is none, what is said then. */
export function called(node, name, otherwise) {
  if (node.textContent === (name || otherwise)) return;
  const [first, ...labels] = name ? name.split(/(?=\.)/) : [otherwise];
  // A line may end before each dot.
  node.replaceChildren(el("b", {}, first), ...labels.flatMap((label) => [el("wbr"), label]));
}

/** Have a node be there only while it has something to say. */
export function told(node, value) {
  text(node, value);
  node.hidden = !value;
}

/**
 * Return what has a parent show a list of values, in their order, after its child `head`.
 *
 * `key(value)` tells them apart, `make(value)` gives `{node, update(value)}`.
 */
export function list(parent, key, make, head = null) {
  let shown = new Map();
  return (values) => {
    const next = new Map();
    for (const value of values) next.set(key(value), shown.get(key(value)) ?? make(value));
    for (const [name, { node }] of shown) if (!next.has(name)) node.remove();
    shown = next;
    let at = head ? head.nextSibling : parent.firstChild;
    for (const value of values) {
      const { node, update } = next.get(key(value));
      update?.(value);
      if (node === at) at = at.nextSibling;
      else parent.insertBefore(node, at);
    }
  };
}

let silent = 0;

/** Have screen readers say this, when they are done with what they are at. */
export function say(words) {
  const said = $("said");
  clearTimeout(silent);
  said.textContent = words;
  // The same words again are to be said again.
  silent = setTimeout(() => { said.textContent = ""; }, 5000);
}
