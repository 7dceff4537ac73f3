/** What is answered to an S3 request, and its XML. */
import { xmlText } from '../../lib/xml.ts';
import type { S3Error } from './s3-error.ts';

/** A part of a file that is open; whoever sends it closes it. */
export interface FileBody {
  fd: number;
  start: number;
  bytes: number;
}

export interface S3Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Nothing if there is none. */
  body?: string | Buffer | FileBody;
}

/** Text, or elements by name; a list repeats the element. What is undefined is left out. */
export type Xml = string | number | boolean | undefined | { readonly [name: string]: Xml } | readonly Xml[];

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

export function xmlAnswer(root: string, content: Xml): S3Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: document(root, content, ` xmlns="${NAMESPACE}"`),
  };
}

export function errorAnswer(
  error: S3Error,
  { resource, requestId }: { resource: string; requestId: string },
): S3Answer {
  const { code, message, facts, status } = error;
  const content = { Code: code, Message: message, Resource: resource, RequestId: requestId, ...facts };
  return { status, headers: { 'content-type': 'application/xml' }, body: document('Error', content, '') };
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** `Sun, 22 Nov 2026 08:15:00 GMT` */
export function httpTime(ms: number): string {
  return new Date(ms).toUTCString();
}

function document(root: string, content: Xml, attributes: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attributes}>${inner(content)}</${root}>`;
}

function inner(content: Xml): string {
  if (content === undefined) return '';
  if (typeof content !== 'object') return xmlText(String(content));
  return Object.entries(content)
    .map(([name, value]) =>
      Array.isArray(value) ? value.map((one) => element(name, one)).join('') : element(name, value),
    )
    .join('');
}

function element(name: string, content: Xml): string {
  return content === undefined ? '' : `<${name}>${inner(content)}</${name}>`;
}
