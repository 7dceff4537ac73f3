import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalSource } from '../../../src/registry/local.ts';
import type { LambdaName } from '../../../src/registry/source.ts';
import { scratchDir } from '../scratch-dir.ts';

/** A change and a request for it, this often for each way of editing. */
const ROUNDS = Number(process.env.ISLA_TEST_ROUNDS ?? 150);

let home: string;
let source: LocalSource;
let server: Server;
let clients: Worker[];

beforeEach(async () => {
  clients = [];
  home = realpathSync(mkdtempSync(join(scratchDir(), 'isla-fresh-')));
  mkdirSync(join(home, 'registry'));
  mkdirSync(join(home, 'elsewhere'));
  source = new LocalSource({
    registryDir: join(home, 'registry'),
    codeDir: join(home, 'code'),
    log: () => {},
    onChange: () => {},
  });
  server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('data', (name) => {
      answer(name.toString().trim() as LambdaName).then((text) => socket.write(`${text}\n`));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  // One whose test has run out of time would go on editing.
  await Promise.all(clients.map((client) => client.terminate()));
  server.close();
  await source.close();
  rmSync(home, { recursive: true });
});

async function answer(lambda: LambdaName): Promise<string> {
  const version = await source.current(lambda).catch((error: Error) => error);
  if (version === undefined) return 'no such lambda';
  if (version instanceof Error) return version.message;
  try {
    const inner = lambda === 'nested' ? 'pkg/deep/inner.py' : 'lambda_func.py';
    return readFileSync(join(version.dir, inner), 'utf8');
  } finally {
    source.release(version);
  }
}

function edit(lambda: string, style: string, rounds = ROUNDS): Promise<string[]> {
  const { port } = server.address() as AddressInfo;
  const elsewhereDir = join(home, 'elsewhere');
  const workerData = { port, registryDir: join(home, 'registry'), elsewhereDir, lambda, style, rounds };
  return new Promise((resolve, reject) => {
    const client = new Worker(new URL('./editing-client.mjs', import.meta.url), { workerData });
    clients.push(client);
    client.once('message', resolve);
    client.once('error', reject);
  });
}

function makeLambda(lambda: string): void {
  const dir = join(home, 'registry', lambda);
  mkdirSync(join(dir, 'pkg', 'deep'), { recursive: true });
  writeFileSync(join(dir, 'lambda_func.py'), '# version 0');
  writeFileSync(join(dir, 'pkg', 'deep', 'inner.py'), '# version 0');
}

function makeLinked(lambda: string): void {
  const target = join(home, 'elsewhere', lambda);
  mkdirSync(target);
  writeFileSync(join(target, 'lambda_func.py'), '# version 0');
  symlinkSync(target, join(home, 'registry', lambda));
}

describe('a request sent after a change is complete runs the new code, when the change was to', () => {
  const cases: [style: string, lambda: string, make: (lambda: string) => void][] = [
    ['write in place', 'plain', makeLambda],
    ['write beside and rename', 'renamed', makeLambda],
    ['write a module below', 'nested', makeLambda],
    ['replace the directory by mv', 'moved', makeLambda],
    ['remove and copy anew', 'copied', makeLambda],
    ['write behind a link', 'linked', makeLinked],
    ['turn the link elsewhere', 'turned', makeLinked],
  ];

  test.each(cases)('%s', { timeout: 60_000 }, async (style, lambda, make) => {
    make(lambda);
    expect(await edit(lambda, style)).toEqual([]);
  });

  test('all of them at once', { timeout: 120_000 }, async () => {
    for (const [, lambda, make] of cases) make(lambda);
    const stale = await Promise.all(cases.map(([style, lambda]) => edit(lambda, style, Math.ceil(ROUNDS / 4))));
    expect(stale.flat()).toEqual([]);
  });
});

test('snapshots that nobody uses are gone, and the current one stays', async () => {
  makeLambda('hello');
  await edit('hello', 'write in place', 20);
  cpSync(join(home, 'registry', 'hello'), join(home, 'registry', 'twin'), { recursive: true });
  expect(await answer('twin' as LambdaName)).toBe('# version 20');
  await expect.poll(() => readdirSync(join(home, 'code')).filter((name) => name !== '.isla-code').length).toBe(1);
});
