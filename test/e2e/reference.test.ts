/** The reference of metrics is what a worker and a gateway tell: `npm run reference` writes it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPrometheusText } from '../prometheus-text.ts';
import { request } from './cluster.ts';
import { useCluster } from './use-cluster.ts';

const MADE = '<!-- Made by `npm run reference` out of what a worker and a gateway tell. -->';
const cluster = useCluster();

test('every metric of a worker and of a gateway stands in the reference', async () => {
  cluster().installExample('echo');
  await cluster().call('echo', {});
  const worker = await tableOf(`${cluster().url()}/metrics`);
  expect(await cluster().admin('gateway', '--port=0')).toMatchObject({ status: 0 });
  const { port } = JSON.parse(readFileSync(join(cluster().dir, 'config/gateway.json'), 'utf8')) as { port: number };
  const gateway = await tableOf(`http://127.0.0.1:${port}/metrics`);
  const parts = ['# Metrics', MADE, ABOUT, '## Workers', worker, '## The gateway', gateway];
  await expect(`${parts.join('\n\n')}\n`).toMatchFileSnapshot('../../docs/reference/metrics.md');
});

const ABOUT =
  '`GET /metrics` of a worker and of the gateway, in the text format of Prometheus. Counters begin anew with their process.';

async function tableOf(url: string): Promise<string> {
  const families = readPrometheusText((await request(url)).text);
  const rows = [...families].map(
    ([name, { type, help }]) => `| \`${name}\` | ${type} | ${help.replaceAll('|', '\\|')} |`,
  );
  return ['| metric | type | what |', '| --- | --- | --- |', ...rows].join('\n');
}
