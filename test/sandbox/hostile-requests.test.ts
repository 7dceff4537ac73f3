/**
 * The built program, with hostile lambdas called and hostile requests sent to it over HTTP, several at once. Each
 * gets the answer it deserves, `/status` answers within a second throughout, and the cluster leaves nothing.
 */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { request } from '../e2e/cluster.ts';
import { useCluster } from '../e2e/use-cluster.ts';
import { PROBE } from './hostile-fixture.ts';

/** For handlers that would never answer; all others have time enough on any machine. */
const TIMEOUT_MS = 2_000;
const STATUS_MS_MAX = 1_000;
const cluster = useCluster({
  settings: { limits: { memory_mb: 64, procs: 24 }, event_kb: 64 },
});

/** Asks for /status all the time and remembers the slowest answer. */
let watching = true;
let slowestMs = 0;
let looks = 0;
let watch: Promise<void>;
beforeAll(() => {
  cluster().install('hostile', PROBE);
  cluster().install('hasty', { 'lambda_func.py': PROBE, 'lambda.json': JSON.stringify({ timeout_ms: TIMEOUT_MS }) });
  cluster().installExample('echo');
  watch = (async () => {
    while (watching) {
      const beganMs = performance.now();
      const { status } = await request(`${cluster().url()}/status`);
      expect(status).toBe(200);
      slowestMs = Math.max(slowestMs, performance.now() - beganMs);
      looks += 1;
      await new Promise((done) => setTimeout(done, 50));
    }
  })();
});
afterEach(async () => {
  expect(await cluster().call('echo', { still: 'here' })).toMatchObject({ status: 200, json: { still: 'here' } });
});
afterAll(async () => {
  watching = false;
  await watch;
  expect(looks).toBeGreaterThan(10);
  expect(slowestMs).toBeLessThan(STATUS_MS_MAX);
});

const THREAD = 'threading.Thread(target=spin, daemon=True).start()';

describe('a hostile handler', () => {
  it.each([
    ['sleeps for ever', 'time.sleep(600)', 504],
    ['spins', 'while True:\n    pass', 504],
    [
      'spins in twenty threads',
      `def spin():\n    while True:\n        pass\nfor _ in range(20):\n    ${THREAD}\nspin()`,
      504,
    ],
    ['is deaf to every signal', 'signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(600)', 504],
    [
      'stops itself',
      'os.kill(1, signal.SIGSTOP)\nif os.fork() == 0:\n    while True:\n        os.kill(-1, signal.SIGSTOP)\ntime.sleep(600)',
      504,
    ],
    ['forks without end', 'while True:\n    attempt(os.fork)', 504],
    [
      'waits for a child that waits for a child',
      'os.mkfifo("/host/f")\nos.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/host/f", os.O_RDONLY, 0)])',
      504,
    ],
    [
      'writes without end',
      'while True:\n    os.write(1, bytes(65536)) if attempt(os.write, 1, b"x") == "allowed" else None',
      504,
    ],
    ['sends half an answer', 'os.write(3, struct.pack(">IBH", 1000, 0x11, 2) + b"{")\ntime.sleep(600)', 504],
    ['takes memory', 'bytearray(b"x" * (1 << 30))', 502],
    ['takes memory in a child', 'if os.fork() == 0:\n    bytearray(b"x" * (1 << 30))\nos.wait()', 502],
    ['kills itself', 'ctypes.string_at(0)', 502],
    ['leaves by the back door', 'os._exit(0)', 502],
    ['becomes another program', 'os.execv("/bin/true", ["true"])', 502],
    ['hangs up', 'os.close(3)\ntime.sleep(600)', 502],
    ['babbles', 'os.write(3, os.urandom(9000))\ntime.sleep(600)', 502],
    ['sends a call in place of an answer', 'os.write(3, struct.pack(">IBH", 4, 1, 2) + b"{}")\ntime.sleep(600)', 502],
    ['answers with more than it may', '"x" * (20 << 20)', 500],
    ['answers with a list that holds itself', 'r = []\nr.append(r)', 500],
  ])('that %s is answered, and the next call gets a fresh instance', async (_what, source, status) => {
    const lambda = status === 504 ? 'hasty' : 'hostile';
    const answer = await cluster().call(lambda, source);
    expect(answer).toMatchObject({ status, json: { errorType: expect.any(String), errorMessage: expect.any(String) } });
    expect(await cluster().call(lambda, '40 + 2')).toMatchObject({ status: 200, json: 42 });
  });

  it('that lies about its times is believed in nothing else', async () => {
    const lie = (us: string) =>
      `frames = sys.modules["isla_runtime.frames"]\nreal = getattr(frames, "real", frames.Channel.write)\nframes.real = real\n` +
      `frames.Channel.write = lambda self, kind, _meta, body: real(self, kind, b'{"init_us":0,"run_us":${us}}', body)\nr = 1`;
    for (const us of ['1e999', '-1e999', '-5', '1e300']) {
      expect(await cluster().call('hostile', lie(us))).toMatchObject({ status: 200, json: 1 });
    }
    expect(await cluster().call('hostile', '40 + 2')).toMatchObject({ status: 200, json: 42 });
  });

  it('in forty calls at once stops nobody else', async () => {
    const sources = [
      'while True:\n    attempt(os.fork)',
      'bytearray(b"x" * (1 << 30))',
      'os._exit(1)',
      'os.write(3, b"x" * 64)',
    ];
    const hostile = Array.from({ length: 40 }, (_none, n) => cluster().call('hasty', sources[n % 4]));
    for (let round = 0; round < 10; round += 1) {
      expect(await cluster().call('echo', round)).toMatchObject({ status: 200, json: round });
    }
    for (const { status } of await Promise.all(hostile)) expect([429, 502, 503, 504]).toContain(status);
    expect(await cluster().call('hasty', '40 + 2')).toMatchObject({ status: 200, json: 42 });
  });
});

/** Writes bytes to the worker and gives what came back when the connection closed, or after a while. */
function raw(...pieces: string[]): Promise<string> {
  return new Promise((done) => {
    const socket = connect(Number(new URL(cluster().url()).port), 'localhost');
    let text = '';
    socket.setEncoding('latin1').on('data', (piece) => {
      text += piece;
    });
    socket.on('error', () => {}).on('close', () => done(text));
    for (const piece of pieces) socket.write(piece, 'latin1');
    setTimeout(() => socket.destroy(), 300);
  });
}

const HEAD = 'POST /runLambda/echo HTTP/1.1\r\nHost: x\r\n';

describe('a hostile request', () => {
  it.each([
    ['of two lengths', `${HEAD}Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}`],
    [
      'of a length and in chunks',
      `${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /status HTTP/1.1\r\n\r\n`,
    ],
    ['of a coding that there is not', `${HEAD}Transfer-Encoding: xchunked\r\n\r\n1\r\n7\r\n0\r\n\r\n`],
    ['of chunks within something else', `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n1\r\n7\r\n0\r\n\r\n`],
    ['of chunks with half the line break', `${HEAD}Transfer-Encoding: chunked\r\n\r\n1\n7\r\n0\r\n\r\n`],
    ['of chunks that run into each other', `${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n7X0\r\n\r\n`],
    ['of chunks with a megabyte about each', `${HEAD}Transfer-Encoding: chunked\r\n\r\n1;${'y'.repeat(1 << 20)}\r\n`],
    ['with a length behind its chunks', `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n`],
    ['of half line breaks', `${HEAD.replaceAll('\r', '')}Content-Length: 1\n\n7`],
    ['of a header in two lines', `${HEAD}X: a\r\n b\r\nContent-Length: 1\r\n\r\n7`],
    ['of two lengths in one', `${HEAD}Content-Length: 1,1\r\n\r\n7`],
    ['of a negative length', `${HEAD}Content-Length: -1\r\n\r\n`],
    ['of a length beyond numbers', `${HEAD}Content-Length: 99999999999999999999999\r\n\r\n{}`],
    ['of chunks that are no numbers', `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`],
    ['of ten thousand headers', HEAD + 'a: b\r\n'.repeat(10_000)],
    ['of a header of a megabyte', `${HEAD}x: ${'y'.repeat(1 << 20)}\r\n\r\n`],
    ['of a path of a megabyte', `POST /runLambda/${'y'.repeat(1 << 20)} HTTP/1.1\r\n\r\n`],
    ['of no HTTP at all', `\x16\x03\x01\x02\x00${'\xff'.repeat(500)}`],
    ['of a name with a line break', 'POST /runLambda/a\r\nX: y HTTP/1.1\r\n\r\n'],
    ['of a method that there is not', 'OWN /runLambda/echo HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('%s runs no lambda', async (_what, bytes) => {
    expect(await raw(bytes)).not.toMatch(/^HTTP\/1\.1 2/m);
  });

  it('left half-way, three hundred at once, holds up nobody', async () => {
    const half = Array.from({ length: 300 }, (_none, n) => raw(n % 2 ? HEAD : `${HEAD}Content-Length: 60000\r\n\r\n{`));
    expect(await cluster().call('echo', 'meanwhile')).toMatchObject({ status: 200, json: 'meanwhile' });
    for (const text of await Promise.all(half)) expect(text).not.toMatch(/^HTTP\/1\.1 2/m);
  });

  it.each([
    ['JSON nested 30,000 deep', '['.repeat(30_000)],
    ['a number of 60,000 digits', '9'.repeat(60_000)],
    ['bytes that are no UTF-8', '"\xff\xfe"'],
    ['half a surrogate', '"\\ud800"'],
  ])('whose event is %s is answered as the lambda sees it, with a status', async (_what, body) => {
    const answer = await cluster().post('/runLambda/echo', body);
    expect([200, 400]).toContain(answer.status);
    expect(answer.text.length).toBeGreaterThan(0);
  });
});
