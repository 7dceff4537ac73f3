import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTemplate } from '../../../src/cluster/config-file.ts';
import { createCluster } from '../../../src/cluster/create.ts';
import { refuseOtherPorts } from '../../../src/cluster/install.ts';
import type { Layout } from '../../../src/cluster/layout.ts';
import { holdPidFile } from '../../../src/cluster/pid-file.ts';
import { workerSettings, writeWorkerConfig } from '../../../src/cluster/worker-config.ts';
import { scratchDir } from '../scratch-dir.ts';

let dir: string;
let layout: Layout;
beforeEach(() => {
  dir = mkdtempSync(join(scratchDir(), 'isla-unit-'));
  layout = createCluster(join(dir, 'c')).layout;
});
afterEach(() => rmSync(dir, { recursive: true }));

test('services are not made under a worker that runs on another port', () => {
  const settings = workerSettings(layout, readTemplate(layout.template), { name: 'worker-1', port: 9_001 });
  writeWorkerConfig(layout, 'worker-1', settings);
  const order = { layout, count: 2, port: 9_200 };
  refuseOtherPorts(order);
  const held = holdPidFile(layout.pidFile('worker-1'));
  expect(() => refuseOtherPorts(order)).toThrow(
    expect.objectContaining({
      code: 'conflict',
      problems: [`worker-1: pid ${process.pid}, port 9001; its service would have 9201`],
    }),
  );
  refuseOtherPorts({ ...order, port: 9_000 });
  refuseOtherPorts({ ...order, count: 1 });
  held.release();
  refuseOtherPorts(order);
});
