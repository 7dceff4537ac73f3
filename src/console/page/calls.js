/** The log of calls, and one call with where its time went. */
import { api } from './api.js';
import { flame } from './charts.js';
import { bytes, clock, h, milliseconds } from './dom.js';

export async function callLog({ lambda } = {}) {
  const failed = h('input', { type: 'checkbox', id: 'failed-only' });
  const list = h('div', { class: 'list' });
  const detail = h('div', { class: 'detail', 'aria-live': 'polite' });
  const load = async () => {
    const { kept, calls } = await api.calls({ lambda, failed: failed.checked });
    list.replaceChildren(
      kept
        ? table(calls, show)
        : h('p', { class: 'quiet' }, 'No calls are kept: "calls_kept" is 0, or there is no SQLite.'),
    );
  };
  const show = async (id) => {
    detail.replaceChildren(callDetail(await api.call(id)));
    // On a narrow screen it stands below the list.
    detail.scrollIntoView({ block: 'nearest' });
  };
  failed.addEventListener('change', load);
  await load();
  return h(
    'div',
    { class: 'calls' },
    h(
      'p',
      { class: 'bar' },
      h('label', {}, failed, ' failures only'),
      h('button', { type: 'button', onclick: load }, 'Refresh'),
    ),
    h('div', { class: 'halves' }, list, detail),
  );
}

function table(calls, show) {
  if (calls.length === 0) return h('p', { class: 'quiet' }, 'No calls yet.');
  const rows = calls.map((call) =>
    h(
      'tr',
      { class: call.outcome === 'result' ? undefined : 'bad' },
      h(
        'td',
        {},
        h('button', { class: 'link', type: 'button', onclick: () => show(call.requestId) }, clock(call.startedMs)),
      ),
      h('td', { class: 'name', title: call.lambda }, call.lambda),
      h('td', {}, call.errorType ?? call.outcome),
      h('td', {}, call.cold === null ? '–' : call.cold ? 'cold' : 'warm'),
      h('td', { class: 'number' }, milliseconds(call.durationMs)),
    ),
  );
  const head = ['Started', 'Lambda', 'Outcome', 'Start', 'Took'].map((word) =>
    h('th', { scope: 'col', class: word === 'Took' ? 'number' : undefined }, word),
  );
  return h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, rows));
}

export function callDetail(call) {
  const facts = [
    ['request', call.requestId],
    ['lambda', `${call.lambda}${call.instance === null ? '' : `/${call.instance}`}`],
    ['version', call.version?.slice(0, 12) ?? '–'],
    ['outcome', call.errorType ?? call.outcome],
    ['CPU', milliseconds(call.cpuMs)],
    ['memory', bytes(call.memoryBytes)],
  ];
  return h(
    'article',
    {},
    flame(call),
    h(
      'dl',
      {},
      facts.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
    ),
    block('Event', call.event, call.eventBytes),
    block('Answer', call.result, call.resultBytes),
    block(call.outputCut ? 'Output (cut)' : 'Output', call.output, call.output?.length ?? 0),
  );
}

function block(title, text, length) {
  if (text === null && length === 0) return undefined;
  return h('section', {}, h('h3', {}, title), h('pre', {}, text ?? `(${bytes(length)}: longer than is kept)`));
}
