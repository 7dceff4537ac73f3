/** What calls are answered with. Headers that every answer has are added to them at the end: see route.ts. */

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
  });
}

/** Old clients read a type and a length of what has neither, and fail without. */
export function noContent(): Response {
  return new Response(null, { status: 204, headers: { 'Content-Type': 'application/json', 'Content-Length': '0' } });
}

export function bytes(body: Uint8Array, contentType: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body as Uint8Array<ArrayBuffer>, { headers: { 'Content-Type': contentType, ...headers } });
}

export function text(body: string, status = 200, contentType = 'text/plain; charset=utf-8'): Response {
  return new Response(body, { status, headers: { 'Content-Type': contentType, 'Cache-Control': 'no-store' } });
}
