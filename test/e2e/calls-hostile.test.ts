/** Calls whose events, answers and outputs are as large and as strange as they may be: what is kept stays small and safe to show. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster } from './use-cluster.ts';

const KEPT_MB = 1;
const cluster = useCluster({ settings: { calls_mb: KEPT_MB, calls_kept: 1_000_000, event_kb: 6144 } });

const HANDLER = `
import sys, time
def handler(event):
    kind = event["kind"]
    if kind == "spin":
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        return bytearray(60 << 20).count(0)
    if kind == "print":
        sys.stdout.write("\\x1b]0;owned\\x07\\x1b[2J\\x00" + "x" * 900_000)
        sys.stderr.buffer.write(bytes(range(128, 256)))
    if kind == "raise":
        raise type("E" * 1_000_000, (Exception,), {})("\\x1b[31m" + "m" * 1_000_000)
    return "r" * event.get("size", 0)
`;

async function call(event: object, id: string): Promise<number> {
  const init = { headers: { 'x-request-id': id } };
  return (await cluster().post('/runLambda/hostile', JSON.stringify(event), init)).status;
}

/** Of a call by its id, when it is there; as JSON and as it is shown to people. */
async function shown(id: string) {
  const { stdout } = await eventually(async () =>
    succeeded(await cluster().admin('calls', 'show', id, '--json'), 'calls show'),
  );
  const text = succeeded(await cluster().admin('calls', 'show', id), 'calls show').stdout;
  return { facts: JSON.parse(stdout), text };
}

const fileBytes = (of: TestCluster) =>
  ['', '-wal'].reduce(
    (sum, end) => sum + (statSync(join(of.dir, `logs/worker-0.calls${end}`), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );

test('what is too long is counted and not kept, and nothing of it reaches a terminal as it came', async () => {
  cluster().install('hostile', HANDLER);
  const long = 'i'.repeat(128);
  expect(await call({ kind: 'print', padding: 'p'.repeat(5_000_000) }, long)).toBe(200);
  const printed = await shown(long);
  expect(printed.facts).toMatchObject({ requestId: long, event: null, outcome: 'result' });
  expect(printed.facts.eventBytes).toBeGreaterThan(5_000_000);
  expect(printed.facts.output.length).toBeLessThanOrEqual(65_536);
  expect(printed.text.length).toBeLessThan(300_000);
  for (const sign of ['\u001b', '\u0007', '\u0000']) expect(printed.text).not.toContain(sign);

  expect(await call({ kind: 'result', size: 6_000_000 }, 'large-result')).toBe(200);
  expect((await shown('large-result')).facts).toMatchObject({ result: null, resultBytes: 6_000_002 });

  expect(await call({ kind: 'raise' }, 'large-error')).toBe(500);
  const raised = await shown('large-error');
  expect(raised.facts.errorType.length).toBeLessThanOrEqual(100);
  expect(raised.text).not.toContain('\u001b');

  expect(await call({ kind: 'spin' }, 'busy')).toBe(200);
  const busy = (await shown('busy')).facts;
  expect(busy.cpuMs).toBeGreaterThan(150);
  expect(busy.memoryBytes).toBeGreaterThan(50 * 1_048_576);
}, 180_000);

test('a flood of the largest that are kept leaves the newest within "calls_mb", and the sums of all', async () => {
  cluster().install('hostile', HANDLER);
  const event = { kind: 'result', size: 60_000, padding: 'p'.repeat(60_000) };
  const before = JSON.parse((await cluster().admin('calls', 'cost', 'hostile', '--json')).stdout);
  const count = (report: { lambdas?: { calls: number }[] }) =>
    (report.lambdas ?? []).reduce((sum, one) => sum + one.calls, 0);
  for (let n = 0; n < 20; n += 1) {
    const statuses = await Promise.all(Array.from({ length: 10 }, (_, m) => call(event, `flood-${n}-${m}`)));
    expect(statuses).toEqual(Array(10).fill(200));
  }
  await eventually(async () => {
    const report = JSON.parse((await cluster().admin('calls', 'cost', 'hostile', '--json')).stdout);
    expect(count(report) - count(before)).toBe(200);
  });
  const { calls } = JSON.parse((await cluster().admin('calls', 'list', '--limit=1000', '--json')).stdout);
  // Each has some 120 KB.
  expect(calls.length).toBeGreaterThan(5);
  expect(calls.length).toBeLessThan(20);
  expect(calls[0].requestId).toMatch(/^flood-19-/);
  // A transaction of a second's calls is in it, too, before the oldest go.
  expect(fileBytes(cluster())).toBeLessThan(40 * KEPT_MB * 1_048_576);
}, 240_000);
