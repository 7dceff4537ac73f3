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

test('SIGTERM: nobody new is let in, and what is in flight is answered', async () => {
  await withBusyWorker(60_000, async (busy) => {
    busy.worker.child.kill('SIGTERM');
    await stops(busy);
    await eventually(() => expect(request(`${busy.url}/livez`)).rejects.toThrow());
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
