/** What the worker does now: charts, live instances, the tree of zygotes. */
import { latencyChart, rateChart } from './charts.js';
import { age, bytes, h } from './dom.js';

export function overview({ seconds, nowS, status }) {
  return h(
    'div',
    { class: 'overview' },
    h('section', { class: 'charts' }, rateChart(seconds, nowS), latencyChart(seconds, nowS)),
    h('section', {}, h('h2', {}, 'Instances'), instances(status.sandboxes)),
    status.import_cache && h('section', {}, h('h2', {}, 'Import cache'), importCache(status.import_cache)),
    status.weaker.length > 0 &&
      h(
        'section',
        {},
        h('h2', {}, 'Weaker on this machine'),
        h(
          'ul',
          {},
          status.weaker.map((wall) => h('li', {}, wall)),
        ),
      ),
  );
}

function instances(sandboxes) {
  if (sandboxes.length === 0) return h('p', { class: 'quiet' }, 'None: no lambda has been called yet.');
  const states = [...new Set(sandboxes.map(({ state }) => state))].sort();
  const rows = Map.groupBy ? Map.groupBy(sandboxes, (one) => one.lambda) : grouped(sandboxes);
  const table = h(
    'table',
    { class: 'instances' },
    [...rows].map(([lambda, all]) =>
      h(
        'tr',
        {},
        h('th', { scope: 'row', title: lambda }, h('a', { href: `#/lambda/${lambda}` }, lambda)),
        h('td', {}, h('div', { class: 'cells' }, all.map(cell))),
        h('td', { class: 'number' }, bytes(all.reduce((sum, one) => sum + (one.memory_bytes ?? 0), 0))),
      ),
    ),
  );
  const legend = states.map((state) => h('li', {}, h('i', { class: `cell ${state}` }), state));
  return h('div', {}, table, h('ul', { class: 'legend' }, legend));
}

function cell({ lambda, instance, state, age_ms, calls, memory_bytes }) {
  const title = `${lambda}/${instance}: ${state}, ${calls} calls, ${age(age_ms)} old, ${bytes(memory_bytes)}`;
  return h('i', { class: `cell ${state}`, title, role: 'img', 'aria-label': title });
}

function grouped(sandboxes) {
  const rows = new Map();
  for (const one of sandboxes) rows.set(one.lambda, [...(rows.get(one.lambda) ?? []), one]);
  return rows;
}

function importCache({ hits, misses, saved_ms, zygotes, kept_out }) {
  const starts = hits + misses;
  const said =
    starts === 0
      ? 'No lambda with packages has been started yet.'
      : `${hits} of ${starts} starts of lambdas with packages hit; ${(saved_ms / 1000).toFixed(1)} s of imports saved.`;
  return h(
    'div',
    {},
    h('p', {}, said),
    h('ul', { class: 'tree' }, h('li', {}, 'Python', branches(null, zygotes))),
    kept_out.length > 0 &&
      h(
        'details',
        {},
        h('summary', {}, `${kept_out.length} kept out`),
        h(
          'ul',
          {},
          kept_out.map(({ module, members, reason }) => h('li', {}, `${module ?? members.join(' ')}: ${reason}`)),
        ),
      ),
  );
}

function branches(parent, zygotes) {
  const children = zygotes.filter((one) => one.parent === parent);
  if (children.length === 0) return undefined;
  return h(
    'ul',
    {},
    children.map((one) =>
      h(
        'li',
        {},
        h('b', {}, `+ ${one.added.join(' ')}`),
        h(
          'span',
          { class: 'quiet' },
          ` ${one.hits} hits, ${one.import_ms} ms to import, ${bytes(one.memory_bytes)}, ${one.waiting} waiting`,
        ),
        branches(one.zygote, zygotes),
      ),
    ),
  );
}
