// What is looked at stands in the address, so that it can be kept and passed on.

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
