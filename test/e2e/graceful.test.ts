/** How a worker ends: what is in flight is answered within the grace time, and a second signal waits for nothing. */
import { expect, test } from 'vitest';
import { type Answer, request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { type ForegroundWorker, startForeground } from './foreground.ts';
import { freePorts } from './free-ports.ts';
import { withCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

interface Busy {
  cluster: TestCluster;
  worker: ForegroundWorker;
  url: string;
  /** A call that runs until its scratch says otherwise: its answer, or why there is none. */
  inFlight: Promise<Answer | Error>;
  scratch: string;
}

async function withBusyWorker(graceMs: number, body: (busy: Busy) => Promise<void>): Promise<void> {
  await withCluster({ running: false, settings: { grace_ms: graceMs } }, async (cluster) => {
    const [port] = (await freePorts(1)) as [number];
    const url = `http://localhost:${port}`;
    const worker = startForeground(cluster, { port });
    await eventually(async () => expect((await request(`${url}/readyz`)).text).toBe('ready\n'));
    cluster.install('waits', waitingCode('answered'));
    const inFlight = request(`${url}/runLambda/waits`, { method: 'POST', body: '{}' }).catch((error: Error) => error);
    const scratch = await callRuns(cluster, 'waits');
    cluster.footprint.look();
    await body({ cluster, worker, url, inFlight, scratch });
  });
}

/** It has heard the signal. */
function stops({ worker }: Busy): Promise<void> {
  return eventually(() => expect(worker.stdout()).toContain('worker stopping'));
}

test('SIGTERM: no new call is run, which everybody can see, and what is in flight is answered', async () => {
  await withBusyWorker(60_000, async (busy) => {
    const { cluster, url } = busy;
    busy.worker.child.kill('SIGTERM');
    await stops(busy);
    const refused = await request(`${url}/runLambda/waits`, { method: 'POST', body: '{}' });
    expect(refused).toMatchObject({ status: 503, json: { errorType: 'Worker.Stopping' } });
    expect(refused.headers.get('connection')).toBe('close');
    expect(await request(`${url}/readyz`)).toMatchObject({ status: 503, text: 'stopping\n' });
    expect(await request(`${url}/livez`)).toMatchObject({ status: 200, text: 'alive\n' });
    const headers = { Accept: 'application/json' };
    const status = await request(`${url}/status`, { headers });
    expect(status).toMatchObject({ status: 503, json: { state: 'stopping', sandboxes: [{ lambda: 'waits' }] } });
    expect(await cluster.admin('status')).toMatchObject({
      status: 6,
      stdout: expect.stringMatching(/\/status => stopping \[503 Service Unavailable\]\n[\s\S]* waits +0 .* busy/),
    });
    expect((await cluster.admin('ps')).stdout).toMatch(/^worker-0 +\d+ +stopping /m);
    expect(await cluster.admin('invoke', 'waits')).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('worker-0: it is stopping'),
    });
    letGo(busy.scratch);
    expect(await busy.inFlight).toMatchObject({ status: 200, json: 'answered' });
    expect(await busy.worker.exited).toBe(0);
    expect(busy.cluster.footprint.left()).toEqual([]);
  });
});

test('SIGTERM: what outlasts the grace time is told so, and ends', async () => {
  await withBusyWorker(300, async (busy) => {
    busy.worker.child.kill('SIGTERM');
    expect(await busy.inFlight).toMatchObject({ status: 503, json: { errorType: 'Worker.Stopping' } });
    expect(await busy.worker.exited).toBe(0);
    expect(busy.cluster.footprint.left()).toEqual([]);
  });
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)(
  'a second signal, %s, ends it at once, whatever is in flight, and nothing is left',
  async (signal, code) => {
    await withBusyWorker(3_600_000, async (busy) => {
      busy.worker.child.kill('SIGTERM');
      await stops(busy);
      busy.worker.child.kill(signal);
      expect(await busy.worker.exited).toBe(code);
      expect(await busy.inFlight).toBeInstanceOf(Error);
      await busy.cluster.gone();
    });
  },
);
