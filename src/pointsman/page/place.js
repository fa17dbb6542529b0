// What is looked at stands in the address, so that it can be kept and passed on; how it is looked
// at is a choice, which the browser keeps.

/** Return a part of it; "" for none. */
export const remembered = (name) => new URLSearchParams(location.search).get(name) ?? "";

/** Have the address say this too; "" takes a part away. */
export function remember(parts) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(parts)) {
    if (value === "") query.delete(name);
    else query.set(name, value);
  }
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

/** Return a choice that was kept; null for none. */
export function kept(name) {
  try {
    return localStorage.getItem(`pointsman.${name}`);
  } catch {
    return null; // it keeps nothing for us
  }
}

/** Keep a choice, where the browser keeps any. */
export function keep(name, value) {
  try {
    localStorage.setItem(`pointsman.${name}`, value);
  } catch {
    // The choice holds as long as the page is there.
  }
}
