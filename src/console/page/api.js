/** What the page asks the worker. Every answer that is no success is thrown, in the worker's own words. */

const API = '/console/api';

async function ask(path, init = {}) {
  const answer = await fetch(`${API}/${path}`, { ...init, headers: { 'X-Isla-Console': '1', ...init.headers } });
  if (answer.status === 401) location.assign('/console/login.html');
  if (!answer.ok) throw new Error(await wordsOf(answer));
  return answer.status === 204 ? undefined : answer.json();
}

async function wordsOf(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).errorMessage ?? text;
  } catch {
    return text || `HTTP status ${answer.status}`;
  }
}

const file = (lambda, path) =>
  `files/${encodeURIComponent(lambda)}/${path.split('/').map(encodeURIComponent).join('/')}`;

export const api = {
  lambdas: () => ask('lambdas'),
  calls: ({ lambda, failed }) =>
    ask(`calls?${new URLSearchParams({ lambda: lambda ?? '', failed: failed ? 'yes' : '' })}`),
  call: (id) => ask(`calls/${encodeURIComponent(id)}`),
  files: (lambda) => ask(file(lambda, '')),
  write: (lambda, path, text) => ask(file(lambda, path), { method: 'PUT', body: text }),
  remove: (lambda, path) => ask(file(lambda, path), { method: 'DELETE' }),
};

/** As any client calls it: the answer as text, because a round trip through JSON.parse spoils large integers. */
export async function invoke(lambda, event) {
  const begun = performance.now();
  const answer = await fetch(`/runLambda/${encodeURIComponent(lambda)}`, {
    method: 'POST',
    body: event,
    headers: { 'Content-Type': 'application/json' },
  });
  const text = await answer.text();
  const timing = Object.fromEntries(
    [...(answer.headers.get('server-timing') ?? '').matchAll(/(\w+);dur=([0-9.]+)/g)].map(([, name, ms]) => [
      name,
      Number(ms),
    ]),
  );
  return {
    ok: answer.ok,
    status: answer.status,
    text,
    timing,
    requestId: answer.headers.get('x-request-id'),
    tookMs: performance.now() - begun,
  };
}

/** Calls the listener with what is told each second; reconnects by itself. */
export function watch({ onNews, onState }) {
  const source = new EventSource(`${API}/live`);
  source.onmessage = ({ data }) => onNews(JSON.parse(data));
  source.onopen = () => onState(true);
  source.onerror = () => onState(false);
}
