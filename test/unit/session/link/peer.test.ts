import { expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { encode } from '../../../../src/session/link/message.ts';
import { Peer } from '../../../../src/session/link/peer.ts';
import { EARLY_BYTES_MAX, type ServedStream } from '../../../../src/session/link/served-calls.ts';

function streamOf(): { stream: Promise<ServedStream>; tell(bytes: Buffer): void } {
  const opened = deferred<ServedStream>();
  const open = (_method: string, _args: unknown, stream: ServedStream) => {
    opened.resolve(stream);
    return new Promise(() => {});
  };
  const served = { call: () => Promise.reject(new Error('nobody calls')), open, note: () => {} };
  const peer = new Peer({ send: () => {}, served, onFault: () => {} });
  peer.take(Buffer.from(JSON.stringify(['open', 1, 'pty', []])), false);
  return { stream: opened.promise, tell: (bytes) => peer.take(encode(['tell', 1, null], bytes) as Buffer, true) };
}

test('what is told to a stream before it is there is kept, in order', async () => {
  const { stream, tell } = streamOf();
  for (const word of ['a', 'b']) tell(Buffer.from(word));
  const heard: string[] = [];
  (await stream).onTell((_value, bytes) => heard.push(String(bytes)));
  tell(Buffer.from('c'));
  expect(heard).toEqual(['a', 'b', 'c']);
});

test('a stream that is told too much before it is there ends, and nothing of it is kept', async () => {
  const { stream, tell } = streamOf();
  const { signal, onTell } = await stream;
  for (let told = 0; told < EARLY_BYTES_MAX; told += 1_048_576) tell(Buffer.alloc(1_048_576));
  expect(signal.aborted).toBe(true);
  const heard: unknown[] = [];
  onTell((_value, bytes) => heard.push(bytes));
  expect(heard).toEqual([]);
});

test('what is too large to be sent ends its stream, and throws at nobody', async () => {
  const sent: string[] = [];
  let made: ServedStream | undefined;
  const open = (_method: string, _args: unknown, stream: ServedStream) => {
    made = stream;
    return new Promise(() => {});
  };
  const served = { call: () => Promise.reject(new Error('nobody calls')), open, note: () => {} };
  const peer = new Peer({ send: (frame) => sent.push(String(frame)), served, onFault: () => {} });
  peer.take(Buffer.from(JSON.stringify(['open', 1, 'stream', []])), false);
  expect(made?.send('\u0001'.repeat(12_000_000))).toBe(false);
  expect(sent).toEqual([expect.stringMatching(/^\["err",1,.*72000\d+ bytes are too many/)]);
  expect(made?.signal.aborted).toBe(true);
});
