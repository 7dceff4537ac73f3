/** The client as a library, against a gateway and real sandboxes. */
import { beforeAll, expect, test } from 'vitest';
import { Gateway } from '../../src/client/gateway.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
let access: TestGateway;
beforeAll(async () => {
  access = await startGateway(cluster());
});

test('runs that follow each other at once are answered over one stream', async () => {
  await using session = await new Gateway(access, {}).create('python');
  await session.run('x = 0');
  for (let at = 1; at <= 50; at += 1) expect((await session.run('x += 1; x')).stdout).toBe(`${at}\n`);
});
