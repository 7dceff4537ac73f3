import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { openLog } from '../../../src/lib/log.ts';
import { Scope } from '../../../src/lib/scope.ts';
import { uuidV7 } from '../../../src/lib/uuid-v7.ts';

function lines(terminal: boolean): { stream: PassThrough; text: () => string } {
  const stream = new PassThrough();
  if (terminal) Object.assign(stream, { isTTY: true });
  return { stream, text: () => stream.read()?.toString() ?? '' };
}

test('a log is one JSON object per line for programs', () => {
  const { stream, text } = lines(false);
  openLog(stream, { name: 'worker', level: 'info' })('info', 'worker ready', { port: 8080 });
  expect(JSON.parse(text())).toMatchObject({ level: 30, name: 'worker', msg: 'worker ready', port: 8080 });
});

test('a log is a readable line for people, with the stack of an error below', () => {
  const { stream, text } = lines(true);
  const log = openLog(stream, { name: 'worker', level: 'info' });
  log('warn', 'a call did not end well', { lambda: 'hello', ending: { cause: 'exit', status: 3 }, why: 'two words' });
  expect(text()).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} WARN {2}a call did not end well {2}lambda=hello ending={"cause":"exit","status":3} why="two words"\n$/,
  );
  log('error', 'it broke', { err: new Error('boom') });
  expect(text()).toMatch(/ERROR it broke\nError: boom\n +at /);
  log('debug', 'too much detail');
  expect(text()).toBe('');
});

test('a log whose reader has gone harms nobody', () => {
  const { stream } = lines(false);
  const log = openLog(stream, { name: 'worker', level: 'info' });
  stream.destroy(new Error('EPIPE'));
  log('info', 'still here');
});

test('ids are UUIDs of version 7 that sort by time', () => {
  const ids = [1, 1000, 1_700_000_000_000, 1_700_000_000_001].map((ms) => uuidV7(ms));
  expect([...ids].sort()).toEqual(ids);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(Array.from({ length: 1000 }, () => uuidV7(1))).size).toBe(1000);
});

test('a scope releases in reverse order, all of it, once', async () => {
  const released: string[] = [];
  const scope = new Scope();
  scope.onClose(() => void released.push('first'));
  scope.onClose(() => {
    throw new Error('second fails');
  });
  scope.onClose(async () => void released.push('third'));
  await expect(scope.close()).rejects.toThrow('second fails');
  await scope.close();
  expect(released).toEqual(['third', 'first']);
});
