/** What a sandbox says of its kernels; real ones say what is right, and are in test/sandbox. */
import { expect, test } from 'vitest';
import { LIMIT_FIELDS } from '../../../src/config/limit-fields.ts';
import type { Limits } from '../../../src/config/settings.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import type { Hear } from '../../../src/sandbox/conversation.ts';
import type { Ending, Engine, Sandbox } from '../../../src/sandbox/sandbox.ts';
import type { RunnerFacts } from '../../../src/session/languages.ts';
import { startKernel } from '../../../src/session/sandbox-kernel.ts';

const limits = Object.fromEntries(
  Object.entries(LIMIT_FIELDS).map(([key, { initial }]) => [key, initial]),
) as unknown as Limits;

test('who waits for an answer that can not be is told of the end of the sandbox', async () => {
  const ended = deferred<Ending>();
  let hear: Hear = () => {};
  const sandbox = {
    converse: (heard: Hear) => {
      hear = heard;
      return { say: () => {}, outOfMemory: () => false };
    },
    ended: ended.promise,
  } as unknown as Sandbox;
  const engine = { create: async () => sandbox } as unknown as Engine;
  const spec = { session: '.session-a', language: 'python', env: {}, packages: undefined, limits } as const;
  const kernel = await startKernel(engine, { ...spec, network: { mode: 'none' } }, {} as RunnerFacts);
  const asked = kernel.files.write('a', Buffer.from('b'));
  // Its throwing breaks the channel, and so ends the sandbox.
  expect(() => hear(Buffer.from('{"answer":1,"error":"no list"}'), Buffer.alloc(0))).toThrow();
  ended.resolve({ cause: 'lost', reason: 'it sent what is no answer' });
  await expect(asked).rejects.toMatchObject({ code: 'session-missing' });
});
