/** What is served once, with nothing at stake, before there is a lambda: see main.mjs. */
export async function handler(event) {
  return event;
}
