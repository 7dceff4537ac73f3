/** Asynchronous calls and schedules while somebody sets the clock. */
import { expect, test } from 'vitest';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { setClock } from './set-clock.ts';
import { withCluster } from './use-cluster.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A schedule reads the clock twice a minute at least. */
const READ_AGAIN_MS = 90_000;
const SLOW = { timeout: 400_000 };
const IS_SINGLE_FILE = process.env.ISLA_TEST_ADMIN !== undefined;

const PRINTS = 'def handler(event):\n    print("due", event["time"])\n';
const FAILS = 'def handler(event):\n    print("ran", event)\n    raise ValueError("no")\n';

/** The times for which a lambda was called, by its own word. */
async function times(cluster: TestCluster, lambda: string): Promise<string[]> {
  const { stdout } = await cluster.admin('logs', lambda);
  return [...stdout.matchAll(/due (\S+Z)/g)].map(([, time]) => time!);
}

function install(cluster: TestCluster, lambda: string, cron: string): void {
  const spec = { schedules: [{ name: 's', cron }] };
  cluster.install(lambda, { 'lambda_func.py': PRINTS, 'lambda.json': JSON.stringify(spec) });
}

async function scheduled(cluster: TestCluster): Promise<{ lambda: string; next: string }[]> {
  return JSON.parse((await cluster.admin('schedules', '--json')).stdout).schedules;
}

test(
  'a time that the clock jumps over is made up for once, and not again when the clock is set back',
  SLOW,
  async () => {
    const clock = setClock();
    await withCluster({ workers: 2, env: clock.env }, async (cluster) => {
      const minute = (new Date().getUTCMinutes() + 30) % 60;
      install(cluster, 'hourly', `${minute} * * * *`);
      await eventually(async () => expect(await scheduled(cluster)).toHaveLength(1));
      const due = Date.parse((await scheduled(cluster))[0]!.next);
      clock.set(HOUR_MS);
      await eventually(async () => expect(await times(cluster, 'hourly')).toHaveLength(1), READ_AGAIN_MS);
      const [first] = await times(cluster, 'hourly');
      expect(Date.parse(first!)).toBe(due);
      // The same hour comes a second time, and then the next one.
      clock.set(0);
      install(cluster, 'ticking', '* * * * * *');
      await eventually(async () => expect((await times(cluster, 'ticking')).length).toBeGreaterThan(2), READ_AGAIN_MS);
      clock.set(2 * HOUR_MS);
      await eventually(async () => expect(await times(cluster, 'hourly')).toHaveLength(2), READ_AGAIN_MS);
      expect((await times(cluster, 'hourly')).map((time) => Date.parse(time))).toEqual([due, due + HOUR_MS]);
      // Nothing can be loaded before a command line that is a single file: its clock is the machine's.
      const shiftMs = IS_SINGLE_FILE ? 0 : 2 * HOUR_MS;
      expect((await scheduled(cluster)).find(({ lambda }) => lambda === 'hourly')?.next).toBe(
        new Date(due + shiftMs).toISOString(),
      );
    });
  },
);

test('a schedule that has seen a clock far in the future goes on when it is right again', SLOW, async () => {
  const clock = setClock();
  await withCluster({ env: clock.env }, async (cluster) => {
    install(cluster, 'ticking', '* * * * * *');
    await eventually(async () => expect((await times(cluster, 'ticking')).length).toBeGreaterThan(1), READ_AGAIN_MS);
    const before = Date.now();
    clock.set(40 * DAY_MS);
    const inFuture = async () => (await times(cluster, 'ticking')).filter((time) => Date.parse(time) > before + DAY_MS);
    await eventually(async () => expect((await inFuture()).length).toBeGreaterThan(1), READ_AGAIN_MS);
    const back = Date.now();
    clock.set(0);
    const seen = await eventually(async () => {
      const all = (await times(cluster, 'ticking')).map((time) => Date.parse(time));
      const since = all.filter((ms) => ms > back && ms < back + DAY_MS);
      expect(since.length).toBeGreaterThan(1);
      return since;
    }, READ_AGAIN_MS);
    expect(new Set(seen).size, 'one call for each time').toBe(seen.length);
  });
});

test('a retry is due when the clock says so, and at once when the clock was wrong', SLOW, async () => {
  const clock = setClock();
  await withCluster({ env: clock.env }, async (cluster) => {
    const spec = { async: { retries: 2, backoff_ms: 4 * HOUR_MS, max_age_s: 7 * 86_400 } };
    cluster.install('failing', { 'lambda_func.py': FAILS, 'lambda.json': JSON.stringify(spec) });
    const { requestId } = (await cluster.post('/async/failing', '{}')).json;
    const look = async () => (await request(`${cluster.url()}/async/failing/${requestId}`)).json;
    await eventually(async () => expect(await look()).toMatchObject({ state: 'queued', attempts: 1 }));
    expect(Date.parse((await look()).due)).toBeGreaterThan(Date.now() + 3 * HOUR_MS);
    // Over the wait; the next is twice as long.
    clock.set(6 * HOUR_MS);
    await eventually(async () => expect(await look()).toMatchObject({ state: 'queued', attempts: 2 }));
    // Back to before it was put off: it was done so by a clock that was wrong.
    clock.set(0);
    await eventually(async () => expect(await look()).toMatchObject({ state: 'dead', attempts: 3 }));
  });
});
