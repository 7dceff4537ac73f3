/** What code has left behind by being loaded that its events will share or find old, as far as that shows. */
const KINDS = new Map([
  ['TCPSocketWrap', 'socket'],
  ['TCPServerWrap', 'socket'],
  ['UDPWrap', 'socket'],
  ['PipeWrap', 'socket'],
  ['PipeServerWrap', 'socket'],
  ['Worker', 'thread'],
  ['MessagePort', 'thread'],
]);

/** As runtime/python/findings.py tells it: [{"what": "thread" | "socket", "where": a name}]. */
export function findings() {
  const found = new Map();
  for (const name of process.getActiveResourcesInfo()) {
    const what = KINDS.get(name);
    if (what !== undefined) found.set(name, { what, where: name });
  }
  return [...found.values()];
}
