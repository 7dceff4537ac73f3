/** What calls are answered with. Headers that every answer has are added to them at the end: see route.ts. */

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return whole(JSON.stringify(value), status, { 'Content-Type': 'application/json; charset=utf-8', ...headers });
}

/** Old clients read a type and a length of what has neither, and fail without. */
export function noContent(): Response {
  return new Response(null, { status: 204, headers: { 'Content-Type': 'application/json', 'Content-Length': '0' } });
}

export function bytes(body: Uint8Array, contentType: string, headers: Readonly<Record<string, string>> = {}): Response {
  return whole(body, 200, { 'Content-Type': contentType, ...headers });
}

export function text(body: string, status = 200, contentType = 'text/plain; charset=utf-8'): Response {
  return whole(body, status, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
}

/** Of a length that is said: what waits to be read is counted by it. */
function whole(body: string | Uint8Array, status: number, headers: Readonly<Record<string, string>>): Response {
  const length = { 'Content-Length': String(Buffer.byteLength(body)) };
  return new Response(body as Uint8Array<ArrayBuffer>, { status, headers: { ...length, ...headers } });
}
