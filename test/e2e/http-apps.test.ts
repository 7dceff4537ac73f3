/** The frameworks that people have, unmodified, as HTTP functions. */
import { describe, expect, test } from 'vitest';
import { cleanEnvironment } from './admin.ts';
import { hasIndex } from './index-of-pip.ts';
import { useCluster } from './use-cluster.ts';

/** An index that is out of reach is not asked again and again. */
const env = cleanEnvironment({ PIP_RETRIES: '0' });
/** Installing takes its time on a busy machine. */
const PATIENT_MS = 300_000;

const FASTAPI = `
from contextlib import asynccontextmanager
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

@asynccontextmanager
async def lifespan(app):
    app.state.rate = 3
    yield

app = FastAPI(lifespan=lifespan)

class Order(BaseModel):
    name: str
    count: int = 1

@app.post("/orders/{number}", status_code=201)
async def order(number: int, order: Order, request: Request, verbose: bool = False):
    return {"number": number, "name": order.name, "price": order.count * request.app.state.rate, "verbose": verbose}

@app.get("/stream")
def stream():
    return StreamingResponse((f"{n}\\n" for n in range(3)), media_type="text/plain")

@app.get("/list/")
def listed(request: Request):
    return str(request.url)

@app.get("/teapot")
def teapot():
    raise HTTPException(418, "short and stout")
`;

const FLASK = `
from flask import Flask, Response, jsonify, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = "test"

@app.route("/hello/<name>", methods=["GET", "POST"])
def hello(name):
    session["name"] = name
    return jsonify(name=name, args=request.args.to_dict(), form=request.form.to_dict())

@app.route("/me")
def me():
    return session.get("name", "nobody")

@app.route("/away")
def away():
    return redirect(url_for("me"))

@app.route("/stream")
def stream():
    return Response((f"{n}\\n" for n in range(3)), mimetype="text/plain")
`;

describe.skipIf(!hasIndex())('apps (skipped where pip of this user finds no packages)', () => {
  const cluster = useCluster({ env, settings: { packages_wait_ms: PATIENT_MS } });
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${cluster().url()}/fn/${path}`, { signal: AbortSignal.timeout(PATIENT_MS), redirect: 'manual', ...init });
  const json = (body: unknown): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

  test('FastAPI', { timeout: PATIENT_MS }, async () => {
    cluster().install('fast', { 'main.py': FASTAPI, 'requirements.txt': 'fastapi' });
    const made = await ask('fast/orders/7?verbose=1', json({ name: 'tea', count: 2 }));
    expect([made.status, await made.json()]).toEqual([201, { number: 7, name: 'tea', price: 6, verbose: true }]);
    const wrong = await ask('fast/orders/x', json({}));
    expect(wrong.status).toBe(422);
    const teapot = await ask('fast/teapot');
    expect([teapot.status, await teapot.json()]).toEqual([418, { detail: 'short and stout' }]);
    expect(await (await ask('fast/stream')).text()).toBe('0\n1\n2\n');
    // Starlette sends whoever left out the last slash to where it is.
    const away = await ask('fast/list');
    expect([away.status, away.headers.get('location')]).toEqual([307, `${cluster().url()}/fn/fast/list/`]);
    expect(await (await ask('fast/list/')).json()).toBe(`${cluster().url()}/fn/fast/list/`);
    const schema = (await (await ask('fast/openapi.json')).json()) as { servers: unknown; paths: object };
    expect(schema.servers).toEqual([{ url: '/fn/fast' }]);
    expect(await (await ask('fast/docs')).text()).toContain('/fn/fast/openapi.json');
  });

  test('Flask', { timeout: PATIENT_MS }, async () => {
    cluster().install('flask-app', {
      'web/site.py': FLASK,
      'lambda.json': '{"handler": "web.site:app"}',
      'requirements.txt': 'flask',
    });
    const hello = await ask('flask-app/hello/J%C3%BCrgen?a=1', {
      method: 'POST',
      body: new URLSearchParams({ b: '2' }),
    });
    expect(await hello.json()).toEqual({ name: 'Jürgen', args: { a: '1' }, form: { b: '2' } });
    const [cookie = ''] = hello.headers.getSetCookie();
    expect(cookie).toMatch(/^session=/);
    const me = await ask('flask-app/me', { headers: { cookie: cookie.split(';')[0] as string } });
    expect(await me.text()).toBe('Jürgen');
    const away = await ask('flask-app/away');
    expect([away.status, away.headers.get('location')]).toEqual([302, '/fn/flask-app/me']);
    expect(await (await ask('flask-app/stream')).text()).toBe('0\n1\n2\n');
    expect((await ask('flask-app/nothing')).status).toBe(404);
  });
});
