/** What a browser is told of the pages that may read an answer: see config/cors.ts. */
import type { IncomingMessage } from 'node:http';
import type { CorsSpec } from '../config/cors.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';

/** Whether a browser asks what a page may do, before it does it. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined;
}

/** The answer to that. Nothing runs. */
export function preflightAnswer(cors: CorsSpec, incoming: IncomingMessage): PlainAnswer {
  const headers = corsHeaders(cors, incoming);
  if (headers.includes('Access-Control-Allow-Origin')) {
    const { allowMethods, allowHeaders, maxAgeS } = cors;
    if (allowMethods.length > 0) headers.push('Access-Control-Allow-Methods', allowMethods.join(', '));
    if (allowHeaders.length > 0) headers.push('Access-Control-Allow-Headers', allowHeaders.join(', '));
    if (maxAgeS !== undefined) headers.push('Access-Control-Max-Age', String(maxAgeS));
  }
  return { status: 204, headers, body: null };
}

/** Of every answer to a page: names and values by turns. */
export function corsHeaders(
  { allowOrigins, allowCredentials, exposeHeaders }: CorsSpec,
  { headers }: IncomingMessage,
): string[] {
  const { origin } = headers;
  const any = allowOrigins.includes('*');
  // Caches must not give one origin's answer to another.
  const vary = any ? [] : ['Vary', 'Origin'];
  if (origin === undefined || !(any || allowOrigins.includes(origin))) return vary;
  const told = [...vary, 'Access-Control-Allow-Origin', any ? '*' : origin];
  if (allowCredentials) told.push('Access-Control-Allow-Credentials', 'true');
  if (exposeHeaders.length > 0) told.push('Access-Control-Expose-Headers', exposeHeaders.join(', '));
  return told;
}
