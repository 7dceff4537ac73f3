/** Schedules against running workers: seconds in the pattern keep the tests short. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadDriver } from '../../src/store/driver.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { withCluster } from './use-cluster.ts';

const PRINTS = 'def handler(event):\n    print("event", event)\n';
const EVERY_SECOND = '* * * * * *';

function install(cluster: TestCluster, lambda: string, schedules: object[]): void {
  cluster.install(lambda, { 'lambda_func.py': PRINTS, 'lambda.json': JSON.stringify({ schedules }) });
}

/** What its calls printed, in order of time. */
async function printed(cluster: TestCluster, lambda: string): Promise<string[]> {
  const { stdout } = await cluster.admin('logs', lambda, '--json');
  const entries = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return entries.flatMap(({ text, line }) => text ?? line ?? []).map((said) => String(said).trim());
}

async function known(cluster: TestCluster): Promise<{ lambda: string; name: string; next: string; last: string }[]> {
  return JSON.parse((await cluster.admin('schedules', '--json')).stdout).schedules;
}

/** Changes what the workers have noted, while there are none. */
async function rewind(cluster: TestCluster, ms: number): Promise<void> {
  const Driver = await loadDriver();
  const database = new Driver(join(cluster.dir, 'async/queue.db'));
  database.prepare('UPDATE schedules SET last_ms = last_ms - ?').run(ms);
  database.close();
}

test('a call is made at each time, once over all workers, and a change takes effect while they run', async () => {
  await withCluster({ workers: 2 }, async (cluster) => {
    install(cluster, 'ticking', [{ name: 'tick', cron: EVERY_SECOND }]);
    await eventually(async () => expect((await printed(cluster, 'ticking')).length).toBeGreaterThanOrEqual(4), 30_000);
    const times = (await printed(cluster, 'ticking')).map((line) => /'time': '([^']+)'/.exec(line)![1]!);
    expect(new Set(times).size, 'one call for each time').toBe(times.length);
    expect(times.every((time) => time.endsWith('.000Z'))).toBe(true);
    const [mark] = await known(cluster);
    expect(mark).toMatchObject({ lambda: 'ticking', name: 'tick', cron: EVERY_SECOND, timezone: 'UTC' });
    expect(Date.parse(mark!.next)).toBeGreaterThan(Date.parse(mark!.last));

    install(cluster, 'ticking', [{ cron: EVERY_SECOND, event: { n: 1 } }]);
    await eventually(async () => expect((await printed(cluster, 'ticking')).at(-1)).toBe("event {'n': 1}"), 30_000);
    expect((await known(cluster)).map(({ name }) => name)).toEqual([EVERY_SECOND]);

    install(cluster, 'ticking', []);
    await eventually(async () => expect(await known(cluster)).toEqual([]));
    // What was due before is run.
    await eventually(async () => {
      const { totals } = JSON.parse((await cluster.admin('async', 'list', '--json')).stdout);
      expect(totals).toMatchObject({ queued: { count: 0 }, running: { count: 0 } });
    });
    const calls = (await printed(cluster, 'ticking')).length;
    install(cluster, 'other', [{ cron: EVERY_SECOND }]);
    await eventually(async () => expect((await printed(cluster, 'other')).length).toBeGreaterThan(1), 30_000);
    expect((await printed(cluster, 'ticking')).length - calls).toBeLessThanOrEqual(1);
  });
});

test('times at which no worker was up are made up for as the lambda says', async () => {
  await withCluster({}, async (cluster) => {
    const hourly = `${(new Date().getUTCMinutes() + 30) % 60} * * * *`;
    for (const missed of ['skip', 'once', 'all']) install(cluster, missed, [{ name: 'hourly', cron: hourly, missed }]);
    await eventually(async () => expect(await known(cluster)).toHaveLength(3));
    expect((await cluster.admin('kill')).status).toBe(0);
    await rewind(cluster, 5 * 3_600_000);
    await cluster.startWorkers();
    await eventually(async () => expect(await printed(cluster, 'all')).toHaveLength(5));
    await eventually(async () => expect(await printed(cluster, 'once')).toHaveLength(1));
    expect(await printed(cluster, 'skip')).toEqual([]);
    // What has been made up for is over.
    expect((await cluster.admin('kill')).status).toBe(0);
    await cluster.startWorkers();
    install(cluster, 'after', [{ cron: EVERY_SECOND }]);
    await eventually(async () => expect((await printed(cluster, 'after')).length).toBeGreaterThan(1), 30_000);
    expect([await printed(cluster, 'all'), await printed(cluster, 'once')].map(({ length }) => length)).toEqual([5, 1]);
    expect(readFileSync(join(cluster.dir, 'logs/worker-0.out'), 'utf8')).toContain('times of a schedule were missed');
  });
});

test('a schedule that is wrong is told to callers, and those before it stay', async () => {
  await withCluster({}, async (cluster) => {
    install(cluster, 'wrong', [{ cron: '0 4 * * *' }]);
    await eventually(async () => expect(await known(cluster)).toHaveLength(1));
    install(cluster, 'wrong', [{ cron: '61 * * * *' }, { cron: '* * * * *', timezone: 'Mars/Base' }]);
    const { status, json } = await cluster.call('wrong');
    expect([status, json.errorType]).toEqual([500, 'Lambda.Invalid']);
    expect(json.errorMessage).toMatch(/schedules\[0\]\.cron: .*61.*schedules\[1\]\.timezone: "Mars\/Base"/);
    expect(await known(cluster)).toHaveLength(1);
  });
});

test('one that is wrong from the beginning, of a lambda that nobody calls, is told in the log of the worker', async () => {
  await withCluster({}, async (cluster) => {
    install(cluster, 'never', [{ cron: '61 * * * *' }]);
    await eventually(() => {
      const line = cluster
        .log()
        .split('\n')
        .find((one) => one.includes('schedules of a lambda can not be read'));
      expect(line).toMatch(/"lambda":"never".*61/);
    });
  });
});
