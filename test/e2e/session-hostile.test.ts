/** `admin` before a gateway, and sessions behind it, that mean no good: a terminal obeys none of it, and nothing gets a right. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Header } from 'tar';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanEnvironment, runAdmin } from './admin.ts';

const EVIL = '\x1b]0;title\x07\x1b[2J\u202e\r\nanother line';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const OBEYED = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/;

const ANSWERS: Readonly<Record<string, object>> = {
  '/kernel': {
    sessions: [{ kernelId: `s${EVIL}`, language: EVIL, status: EVIL, type: EVIL, creationTime: '2026-11-22' }],
  },
  '/kernel/some/files': { files: JSON.stringify([{ mode: EVIL, size: EVIL, mtime: 1, filename: EVIL }]) },
  '/auth/token': { token: EVIL, expires: '2026-11-22' },
};

/** One program that is to run as root for all, and a file of another name than it seems. */
function archive(): Buffer {
  const entry = (path: string, mode: number) => {
    const header = new Header({ path, mode, type: 'File', size: 1, uid: 12_345, gid: 12_345, mtime: new Date(0) });
    const block = Buffer.alloc(1024);
    header.encode(block);
    block.write('x', 512);
    return block;
  };
  return Buffer.concat([entry('program', 0o6755), entry('a\x1b[2J', 0o644), Buffer.alloc(1024)]);
}

let gateway: Server;
let work: string;
beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'isla-hostile-'));
  gateway = createServer((incoming, outgoing) => {
    const path = (incoming.url ?? '').split('?')[0] ?? '';
    incoming.resume();
    if (path.includes('/download')) outgoing.end(archive());
    else {
      const known = ANSWERS[path];
      outgoing.statusCode = known === undefined ? 500 : 200;
      outgoing
        .setHeader('Content-Type', 'application/json')
        .end(JSON.stringify(known ?? { title: EVIL, detail: EVIL }));
    }
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
});
afterAll(() => {
  gateway.close();
  rmSync(work, { recursive: true });
});

function admin(...args: string[]) {
  const endpoint = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
  const keys = { BACKEND_ENDPOINT: endpoint, BACKEND_ACCESS_KEY: 'AKIAKEY', BACKEND_SECRET_KEY: 'secret' };
  return runAdmin(args, { cwd: work, env: cleanEnvironment({ HOME: work, ...keys }) });
}

describe('a hostile gateway', () => {
  test.each(['session ls', 'session info some', 'session files some', 'session rm some', 'gateway token'])(
    'has nothing that it says to "%s" obeyed',
    async (line) => {
      const { stdout, stderr } = await admin(...line.split(' '));
      expect(stdout + stderr).toContain('another line');
      expect(stdout + stderr).not.toMatch(OBEYED);
    },
  );

  test('completes no word that is not one', async () => {
    expect((await admin('__complete', 'session', 'info', '')).stdout).toBe(':none\n');
  });

  test('puts no program there that runs as another user', async () => {
    const { status, stdout } = await admin('session', 'download', 'some', 'program');
    expect([status, OBEYED.test(stdout)]).toEqual([0, false]);
    const { mode, uid } = statSync(join(work, 'program'));
    expect([(mode & 0o7777).toString(8), uid]).toEqual(['755', process.getuid?.()]);
  });
});
