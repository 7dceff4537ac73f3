/** A lambda: its files to edit, an event to invoke it with, and what came of that. */
import { api, invoke } from './api.js';
import { callLog } from './calls.js';
import { flame } from './charts.js';
import { bytes, h, milliseconds } from './dom.js';

export const NEW_FILE = 'lambda_func.py';
export const NEW_CODE = `def handler(event):
    name = event.get("name", "world")
    print("greeting", name)
    return f"Hello, {name}!"
`;

/** Events that were tried, by lambda, as long as the page is open. */
const events = new Map();

export async function lambdaView({ lambda, onGone }) {
  const log = h('section', { class: 'log' }, h('h2', {}, 'Calls'), await callLog({ lambda }));
  const { files, editable } = await api.files(lambda);
  const code = editable
    ? editor(lambda, files, onGone)
    : h('p', { class: 'quiet' }, 'Its code comes from a registry; deploy it with admin upload.');
  return h(
    'div',
    { class: 'lambda' },
    h('h1', {}, lambda),
    h('div', { class: 'halves' }, code, runner(lambda, log)),
    log,
  );
}

function editor(lambda, files, onGone) {
  const text = h('textarea', {
    class: 'code',
    spellcheck: 'false',
    'aria-label': 'Code',
    wrap: 'off',
    onkeydown: onKey,
  });
  const state = h('span', { class: 'quiet', role: 'status' });
  const tabs = h('div', { class: 'tabs', role: 'tablist' });
  let current =
    files.find(({ path }) => path.startsWith('lambda_func')) ?? files.find((one) => one.text !== null) ?? files[0];
  const open = (file) => {
    current = file;
    text.value = file?.text ?? '';
    text.disabled = file === undefined || file.text === null;
    state.textContent = file?.text === null ? `${bytes(file.bytes)}: not edited here` : '';
    tabs.replaceChildren(...files.map(tab));
  };
  const tab = (file) =>
    h(
      'button',
      { type: 'button', role: 'tab', 'aria-selected': String(file === current), onclick: () => open(file) },
      file.path,
    );
  const act = (done, work) => async () => {
    try {
      await work();
      state.textContent = done;
    } catch (error) {
      state.textContent = error.message;
    }
  };
  const save = act('saved: the next call runs it', async () => {
    await api.write(lambda, current.path, text.value);
    current.text = text.value;
  });
  const remove = act('deleted', async () => {
    if (!confirm(`Delete ${lambda}/${current.path}?`)) throw new Error('kept');
    await api.remove(lambda, current.path);
    files.splice(files.indexOf(current), 1);
    open(files[0]);
    if (files.length === 0) onGone();
  });
  const add = act('', async () => {
    const path = prompt('Path of the new file', 'requirements.txt');
    if (!path) return;
    await api.write(lambda, path, '');
    files.push({ path, text: '', bytes: 0 });
    open(files.at(-1));
  });
  text.addEventListener('input', () => {
    state.textContent = text.value === current.text ? '' : 'not saved yet';
  });
  text.addEventListener('save', save);
  open(current);
  return h(
    'section',
    { class: 'editor' },
    h(
      'p',
      { class: 'bar' },
      tabs,
      h('button', { type: 'button', onclick: add }, 'Add file'),
      h('button', { type: 'button', onclick: remove }, 'Delete'),
    ),
    text,
    h(
      'p',
      { class: 'bar' },
      h('button', { type: 'button', class: 'primary', id: 'save', onclick: save }, 'Save'),
      state,
    ),
  );
}

/** Tab indents, ctrl-S saves. */
function onKey(event) {
  const text = event.target;
  if ((event.ctrlKey || event.metaKey) && event.key === 's') {
    event.preventDefault();
    text.dispatchEvent(new CustomEvent('save'));
  } else if (event.key === 'Tab' && !event.shiftKey && !event.ctrlKey && !event.altKey) {
    event.preventDefault();
    text.setRangeText('    ', text.selectionStart, text.selectionEnd, 'end');
    text.dispatchEvent(new Event('input'));
  }
}

function runner(lambda, log) {
  const event = h('textarea', { class: 'code', id: 'event', spellcheck: 'false', 'aria-label': 'Event' });
  event.value = events.get(lambda) ?? '{"name": "Alice"}';
  const answer = h('div', { class: 'answer', 'aria-live': 'polite' });
  const button = h('button', { type: 'submit', class: 'primary', id: 'invoke' }, 'Invoke');
  const run = async (submitted) => {
    submitted.preventDefault();
    events.set(lambda, event.value);
    button.disabled = true;
    answer.replaceChildren(h('p', { class: 'quiet' }, 'running …'));
    try {
      answer.replaceChildren(answered(await invoke(lambda, event.value)));
    } catch (error) {
      answer.replaceChildren(h('p', { class: 'bad' }, `no answer: ${error.message}`));
    }
    button.disabled = false;
    log.replaceChildren(h('h2', {}, 'Calls'), await callLog({ lambda }));
  };
  return h(
    'form',
    { class: 'runner', onsubmit: run },
    h('h2', {}, 'Invoke'),
    event,
    h('p', { class: 'bar' }, button),
    answer,
  );
}

function answered({ ok, status, text, timing, tookMs }) {
  const { queue: queueMs, init: initMs, run: runMs } = timing;
  const error = ok ? undefined : errorOf(text);
  return h(
    'article',
    { class: ok ? 'good' : 'bad' },
    h(
      'p',
      {},
      ok ? 'result' : `${status} ${error?.errorType ?? ''}`,
      h('span', { class: 'quiet' }, ` in ${milliseconds(tookMs)}`),
    ),
    flame({ queueMs, initMs, runMs, durationMs: tookMs }),
    h(
      'pre',
      { id: 'result' },
      error === undefined
        ? text
        : [`${error.errorType ?? 'error'}: ${error.errorMessage}`, ...(error.stackTrace ?? [])].join('\n'),
    ),
  );
}

function errorOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { errorMessage: text };
  }
}
