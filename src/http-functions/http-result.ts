/** What a function has returned, as a response: an object with a `statusCode` says what it is to be, all else is its body. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { isPlain, show } from '../config/parse.ts';

export interface HttpHead {
  status: number;
  /** Names and values by turns. */
  headers: string[];
}

export interface HttpResult extends HttpHead {
  body: Buffer;
}

/** It can not be a response; the message says why. */
export class InvalidResult extends Error {
  override readonly name = 'InvalidResult';
}

/** What is ours to say, or would let a function speak on the connection out of turn. */
const NOT_ITS_OWN = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const JSON_TYPE = ['content-type', 'application/json'];
const OPENING_BRACE = 0x7b;

/** `json` is by the sandbox's own word. Throws InvalidResult. */
export function httpResult(json: Buffer): HttpResult {
  // An envelope is written by our own runtime, which puts no space before it.
  const value: unknown = json[0] === OPENING_BRACE ? parsed(json) : undefined;
  if (!isPlain(value) || value.statusCode === undefined) return { status: 200, headers: [...JSON_TYPE], body: json };
  const head = httpHead(value);
  if (!head.headers.includes('content-type')) head.headers.push(...JSON_TYPE);
  return { ...head, body: bodyOf(value) };
}

/** Of an answer that comes bit by bit: `{statusCode, headers, cookies}`. Throws InvalidResult. */
export function streamHead(json: Buffer): HttpHead {
  const value = parsed(json);
  if (!isPlain(value)) throw new InvalidResult('its head is no object');
  return httpHead({ statusCode: 200, ...value });
}

function parsed(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'));
  } catch {
    throw new InvalidResult('it is not JSON');
  }
}

function httpHead({ statusCode, headers = {}, cookies = [] }: Record<string, unknown>): HttpHead {
  const status = typeof statusCode === 'string' ? Number(statusCode) : statusCode;
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) {
    throw new InvalidResult(`its statusCode is ${show(statusCode)}, not a number from 200 to 599`);
  }
  const head: HttpHead = { status: status as number, headers: [] };
  if (!isPlain(headers ?? {})) throw new InvalidResult(`its headers are ${show(headers)}, not an object`);
  for (const [name, value] of Object.entries((headers as Record<string, unknown> | null) ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) addHeader(head, name.toLowerCase(), one);
  }
  if (!Array.isArray(cookies ?? [])) throw new InvalidResult(`its cookies are ${show(cookies)}, not a list`);
  for (const cookie of (cookies as unknown[] | null) ?? []) addHeader(head, 'set-cookie', cookie);
  return head;
}

function addHeader({ headers }: HttpHead, name: string, value: unknown): void {
  if (NOT_ITS_OWN.has(name) || value === null) return;
  if (!['string', 'number', 'boolean'].includes(typeof value)) {
    throw new InvalidResult(`its header ${show(name)} is ${show(value)}, not a string`);
  }
  // As bytes, which is what HTTP has: a text beyond Latin-1 goes out as UTF-8.
  const text = String(value);
  const written = /[\u0100-\uffff]/.test(text) ? Buffer.from(text).toString('latin1') : text;
  try {
    validateHeaderName(name);
    validateHeaderValue(name, written);
  } catch {
    throw new InvalidResult(`its header ${show(name)}: ${show(value)} holds what no header can`);
  }
  headers.push(name, written);
}

function bodyOf({ body, isBase64Encoded }: Record<string, unknown>): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return Buffer.from(text, isBase64Encoded === true ? 'base64' : 'utf8');
}
