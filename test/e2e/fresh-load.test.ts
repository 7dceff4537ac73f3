import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { request } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const cluster = useCluster();
const returning = (value: unknown) => `def handler(event):\n    return ${JSON.stringify(value)}\n`;

const path = (lambda: string) => join(cluster().dir, 'registry', lambda, 'lambda_func.py');

/** As an editor does it: there is no moment with half a file. */
function save(lambda: string, code: string): void {
  writeFileSync(`${path(lambda)}~`, code);
  renameSync(`${path(lambda)}~`, path(lambda));
}

async function sandboxes(lambda: string): Promise<{ instance: number; state: string }[]> {
  const { json } = await request(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
  return json.sandboxes.filter((one: { lambda: string }) => one.lambda === lambda);
}

/** Resolves when the lambda has exactly these instances, and none of them is being started. */
async function settledOn(lambda: string, ...instances: number[]): Promise<void> {
  await eventually(async () => {
    const now = await sandboxes(lambda);
    expect(now.map(({ instance }) => instance)).toEqual(instances);
    expect(now.map(({ state }) => state)).not.toContain('starting');
  });
}

const EDITS = 25;

test('16 clients while it is edited again and again: no answer is older than the request, and none is missing', async () => {
  cluster().install('edited', returning(0));
  let written = 0;
  let answers = 0;
  const client = async () => {
    for (;;) {
      const oldest = written;
      const { status, json, text } = await cluster().call('edited');
      expect([status, text]).toEqual([200, expect.stringMatching(/^\d+$/)]);
      expect(json).toBeGreaterThanOrEqual(oldest);
      answers += 1;
      if (oldest === EDITS) return;
    }
  };
  const clients = Promise.all(Array.from({ length: 16 }, client));
  while (written < EDITS) {
    const next = answers + 25;
    await Promise.race([clients, eventually(() => expect(answers).toBeGreaterThanOrEqual(next), 60_000)]);
    save('edited', returning(written + 1));
    written += 1;
  }
  await clients;
  await eventually(async () => {
    const { json } = await cluster().call('edited');
    expect(json).toBe(EDITS);
    expect((await sandboxes('edited')).length).toBeLessThanOrEqual(8);
  });
});

test('code that was saved is loaded by the time somebody asks, though nobody did', async () => {
  cluster().install('warmed', returning(1));
  await cluster().call('warmed');
  for (let version = 2; version < 6; version += 1) {
    save('warmed', `import json, time\ntime.sleep(0.2)\n${returning(version)}`);
    await settledOn('warmed', version - 1);
    const { json, headers } = await cluster().call('warmed');
    expect(json).toBe(version);
    expect(headers.get('server-timing')).toMatch(/^queue;dur=0, run;dur=/);
  }
});

test('a call that comes while the new code loads waits for it, and no second load', async () => {
  cluster().install('loading', returning('old'));
  await cluster().call('loading');
  save('loading', `${waitingCode('')}handler({})\n${returning('new')}`);
  const scratch = await callRuns(cluster(), 'loading');
  expect(await sandboxes('loading')).toContainEqual(starting(1));
  const waits = cluster().call('loading');
  await eventually(async () => {
    const { json } = await request(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
    expect(json.lambdas).toContainEqual(expect.objectContaining({ lambda: 'loading', waiting: 1 }));
  });
  letGo(scratch);
  expect((await waits).json).toBe('new');
  await settledOn('loading', 1);
});

const starting = (instance: number) => expect.objectContaining({ instance, state: 'starting' });

test('new code that cannot be imported is told to its callers alone; what runs on the old one ends well', async () => {
  cluster().install('breaks', waitingCode('old'));
  cluster().install('bystander', returning('well'));
  const inFlight = cluster().call('breaks', {});
  const scratch = await callRuns(cluster(), 'breaks');
  save('breaks', 'import nosuchmodule\n');
  await eventually(() => expect(cluster().log()).toContain('code could not be loaded ahead'));
  for (let call = 0; call < 3; call += 1) {
    const { status, json, headers } = await cluster().call('breaks');
    expect(status).toBe(500);
    expect(json).toMatchObject({
      errorType: 'Runtime.ImportModuleError',
      errorMessage: "Unable to import module 'lambda_func': No module named 'nosuchmodule'",
      stackTrace: ['  File "/handler/lambda_func.py", line 1, in <module>\n    import nosuchmodule\n'],
      requestId: headers.get('x-request-id'),
    });
    expect((await cluster().call('bystander')).json).toBe('well');
  }
  save('breaks', returning('mended'));
  expect((await cluster().call('breaks')).json).toBe('mended');
  letGo(scratch);
  expect((await inFlight).json).toBe('old');
});

test('new code that hangs while it is imported ends after the time of a call, and is told to one caller', async () => {
  cluster().install('hangs', { 'lambda_func.py': returning(1), 'lambda.json': '{"timeout_ms": 1000}' });
  await cluster().call('hangs');
  save('hangs', 'import time\ntime.sleep(600)\n');
  await settledOn('hangs');
  const { status, json } = await cluster().call('hangs');
  expect([status, json.errorType]).toEqual([504, 'Sandbox.Timedout']);
  await settledOn('hangs');
  save('hangs', returning(2));
  expect((await cluster().call('hangs')).json).toBe(2);
});

test('a lambda that is deleted loses its instances, without a request', async () => {
  cluster().install('deleted', returning(1));
  await cluster().call('deleted');
  await settledOn('deleted', 0);
  rmSync(join(cluster().dir, 'registry/deleted'), { recursive: true });
  await settledOn('deleted');
  await eventually(() => expect(cluster().instanceDirs('deleted')).toEqual([]));
});
