// Asks the node, and does what is to be done again and again.

/** Milliseconds that an answer may take. */
const PATIENCE = 15_000;

/**
 * Return the JSON of a path of the API.
 *
 * Throws an Error that says why, when there is none; an AbortError when `signal` ends it.
 */
export async function ask(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "");
  const query = new URLSearchParams(given);
  const limit = AbortSignal.timeout(PATIENCE);
  const reply = await fetch(`v1/${path}${given.length ? "?" : ""}${query}`, {
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  });
  if (!reply.ok) throw new Error(await complaint(reply));
  return reply.json();
}

/** Return what the node says is wrong. */
async function complaint(reply) {
  const said = await reply.text();
  try {
    const { detail, error, title } = JSON.parse(said);
    return detail ?? error ?? title ?? said;
  } catch {
    return said.trim() || `HTTP ${reply.status}`;
  }
}

/**
 * Do this now, `seconds` after it is done, and so on, as long as somebody looks at the page.
 *
 * Returns what has it done at once, however often it is asked for meanwhile.
 */
export function again(seconds, work) {
  let timer = 0, busy = false, asked = false;
  const run = async () => {
    clearTimeout(timer);
    if (busy) { asked = true; return; }
    busy = true;
    try {
      do { asked = false; await work(); } while (asked);
    } finally {
      busy = false;
      if (!document.hidden) timer = setTimeout(run, seconds * 1000);
    }
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) run(); });
  run();
  return run;
}
