/** A machine whose inotify watches are used up, or a registry on a network file system. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { LocalSource } from '../../../src/registry/local.ts';
import type { LambdaName } from '../../../src/registry/source.ts';
import { scratchDir } from '../scratch-dir.ts';

vi.mock('../../../src/registry/tree-watch.ts', () => ({
  DirectoryWatches: class {
    readonly unreliable = 'a test says so';
    readonly count = 0;
    add(): void {}
    close(): void {}
  },
}));

test('without watches every request looks at the files, and the log says so once', async () => {
  const home = realpathSync(mkdtempSync(join(scratchDir(), 'isla-unwatched-')));
  const file = join(home, 'registry', 'hello', 'f.py');
  mkdirSync(join(file, '..'), { recursive: true });
  const logged: string[] = [];
  const source = new LocalSource({
    registryDir: join(home, 'registry'),
    codeDir: join(home, 'code'),
    log: (level, message) => logged.push(`${level} ${message}`),
    onChange: () => {},
  });
  const stale: string[] = [];
  let last: unknown;
  for (let round = 0; round < 100; round += 1) {
    if (round % 2 === 0) writeFileSync(file, `# ${round % 10}`);
    else {
      writeFileSync(`${file}.tmp`, `# ${round % 10}`);
      renameSync(`${file}.tmp`, file);
    }
    const version = await source.current('hello' as LambdaName);
    if (version === undefined) throw new Error('it is there');
    const found = readFileSync(join(version.dir, 'f.py'), 'utf8');
    if (found !== `# ${round % 10}`) stale.push(`${round}: ${found}`);
    source.release(version);
    last = version;
  }
  expect(stale).toEqual([]);
  await delay(50);
  const settled = await source.current('hello' as LambdaName);
  for (let round = 0; round < 10; round += 1) expect(await source.current('hello' as LambdaName)).toBe(settled);
  expect(settled).toEqual(last);
  expect(logged).toEqual(['warn code cannot be watched for changes and is listed on every request instead']);
  await source.close();
  rmSync(home, { recursive: true });
});
