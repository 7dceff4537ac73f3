// What a cell shows: MIME bundles, as notebooks have them.
import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';

const BUNDLE = Symbol.for('Jupyter.display');
const BASE64_TYPES = ['image/png', 'image/jpeg', 'image/gif'];

/** Of a cell's value; undefined for nothing to be shown. A value may say itself how, by the method that Deno looks for. */
export function bundleOf(value) {
  if (value === undefined) return undefined;
  return ownBundle(value) ?? { 'text/plain': inspect(value) };
}

/** `display(value)`, `display({mime: data})`, `display.html(text)`, `display.svg(text)`, `display.png(bytes)`, … */
export function makeDisplay(tell) {
  const display = (value) => {
    const bundle = ownBundle(value) ?? (isBundle(value) ? textBundle(value) : bundleOf(value));
    if (bundle !== undefined) tell(bundle);
  };
  display.html = (text) => tell({ 'text/html': String(text) });
  display.svg = (text) => tell({ 'image/svg+xml': String(text) });
  display.markdown = (text) => tell({ 'text/markdown': String(text) });
  display.json = (value) => tell({ 'application/json': JSON.stringify(value) });
  for (const type of BASE64_TYPES) display[type.slice('image/'.length)] = (bytes) => tell({ [type]: base64(bytes) });
  return display;
}

function ownBundle(value) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  const method = value[BUNDLE];
  return typeof method === 'function' ? textBundle(method.call(value)) : undefined;
}

function isBundle(value) {
  if (typeof value !== 'object' || value === null) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => /^[a-z]+\/[a-z0-9.+-]+$/.test(name));
}

function textBundle(bundle) {
  return Object.fromEntries(Object.entries(bundle).map(([mime, data]) => [mime, textOf(mime, data)]));
}

function textOf(mime, data) {
  if (typeof data === 'string') return data;
  if (data instanceof Uint8Array) return base64(data);
  return mime.endsWith('json') ? JSON.stringify(data) : String(data);
}

/** Bytes, or what is base64 already. */
function base64(bytes) {
  return typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('base64');
}
