/** The page: which view is open, what is live, and the list of lambdas at its side. */
import { api, watch } from './api.js';
import { callLog } from './calls.js';
import { h } from './dom.js';
import { lambdaView, NEW_CODE, NEW_FILE } from './editor.js';
import { overview } from './overview.js';

const SECONDS_SHOWN = 120;

const view = document.querySelector('#view');
const live = { seconds: [], nowS: 0, status: undefined, editable: false, lambdas: [] };
/** Grows with each view that is opened: what belongs to an earlier one comes too late. */
let opened = 0;

async function open() {
  opened += 1;
  const mine = opened;
  const [, where = '', name] = location.hash.split('/');
  for (const link of document.querySelectorAll('nav a')) {
    link.toggleAttribute('aria-current', link.getAttribute('href') === (where === '' ? '#/' : `#/${where}`));
  }
  try {
    const shown = await contents(where, name === undefined ? undefined : decodeURIComponent(name));
    if (mine === opened) view.replaceChildren(shown);
  } catch (error) {
    if (mine === opened) view.replaceChildren(h('p', { class: 'bad', role: 'alert' }, error.message));
  }
}

async function contents(where, lambda) {
  if (where === 'calls') return h('div', {}, h('h1', {}, 'Calls'), await callLog());
  if (where === 'lambda' && lambda) return lambdaView({ lambda, onGone: () => location.assign('#/') });
  return live.status === undefined ? h('p', { class: 'quiet' }, 'connecting …') : overview(live);
}

async function loadLambdas() {
  const { lambdas, editable } = await api.lambdas();
  live.editable = editable;
  live.lambdas = lambdas;
  document.querySelector('#new-lambda').hidden = !editable;
  showLambdas();
}

function showLambdas() {
  const calls = new Map((live.status?.lambdas ?? []).map((one) => [one.lambda, one]));
  const items = live.lambdas.map((name) => {
    const one = calls.get(name);
    const count =
      one &&
      h(
        'span',
        { class: one.errors > 0 ? 'count bad' : 'count', title: `${one.calls} calls, ${one.errors} failed` },
        String(one.calls),
      );
    return h('li', {}, h('a', { href: `#/lambda/${encodeURIComponent(name)}` }, name, count));
  });
  if (items.length === 0) items.push(h('li', { class: 'quiet' }, 'none yet'));
  document.querySelector('#lambdas').replaceChildren(...items);
}

function onNews({ nowMs, seconds, status }) {
  live.nowS = Math.floor(nowMs / 1000);
  live.seconds = [...live.seconds, ...seconds].filter(({ at }) => live.nowS - at < SECONDS_SHOWN);
  live.status = status;
  const { state, engine, python, pool, zygotes } = status;
  document
    .querySelector('#worker')
    .replaceChildren(
      h('i', { class: `dot ${state}` }),
      `${state} · ${engine} · Python ${python} · pool ${pool.waiting}/${pool.target} · ${zygotes} ${zygotes === 1 ? 'zygote' : 'zygotes'}`,
    );
  showLambdas();
  const [, where = ''] = location.hash.split('/');
  if (where === '' && !document.hidden) view.replaceChildren(overview(live));
}

document.querySelector('#new-lambda').addEventListener('submit', async (event) => {
  event.preventDefault();
  const name = new FormData(event.target).get('name');
  if (!live.lambdas.includes(name)) await api.write(name, NEW_FILE, NEW_CODE);
  event.target.reset();
  await loadLambdas();
  location.assign(`#/lambda/${encodeURIComponent(name)}`);
});

addEventListener('hashchange', async () => {
  await loadLambdas();
  await open();
});

await loadLambdas();
await open();
watch({
  onNews,
  onState(connected) {
    if (!connected)
      document.querySelector('#worker').replaceChildren(h('i', { class: 'dot' }), 'the worker does not answer');
    // The worker may be another one now.
    else live.seconds = [];
  },
});
