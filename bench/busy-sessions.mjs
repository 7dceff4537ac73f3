/** Sessions that are kept busy from a thread of its own: who measures beside it waits for the gateway alone. */
import { parentPort, workerData } from 'node:worker_threads';
import { GatewayClient } from './gateway-client.mjs';

const { port, keys, names, code, busyMs } = workerData;
const client = new GatewayClient(port, keys);
const until = performance.now() + busyMs;
await Promise.all(
  names.map(async (name) => {
    while (performance.now() < until) {
      await client.call('POST', `/kernel/${name}`, { mode: 'query', code, runId: null });
    }
  }),
);
client.close();
parentPort.postMessage('done');
