/** The third side of the frames, against the golden file of the other two. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
// @ts-expect-error: what sandboxes run is plain JavaScript
import { Channel, encodeFrame } from '../../../src/runtime/node/frames.mjs';
import { scratchDir } from '../scratch-dir.ts';

const GOLDEN: { what: string; kind: number; meta: string; body: string; hex: string }[] = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../fixtures/frames.json'), 'utf8'),
);

describe('Node’s side of the frames', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(scratchDir(), 'isla-frames-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  test.each(GOLDEN)('writes $what', ({ kind, meta, body, hex }) => {
    expect(encodeFrame(kind, meta, body).toString('hex')).toBe(hex);
    expect(encodeFrame(kind, meta, Buffer.from(body)).toString('hex')).toBe(hex);
  });

  test.each(GOLDEN)('reads $what', ({ kind, meta, body, hex }) => {
    const frame = readBack(Buffer.from(hex, 'hex'));
    expect([frame.kind, frame.meta.toString(), frame.body.toString()]).toEqual([kind, meta, body]);
  });

  test('reads what is larger than a piece, and knows when the other side has hung up in the middle', () => {
    const body = Buffer.alloc(100_000, 'x');
    const frame = encodeFrame(1, '{}', body);
    expect(readBack(frame).body.equals(body)).toBe(true);
    for (const length of [0, 3, 50_000]) expect(readBack(frame.subarray(0, length))).toBeUndefined();
  });

  test('refuses a second frame in the same piece', () => {
    const frame = encodeFrame(1, '{}', 'x');
    expect(() => readBack(Buffer.concat([frame, frame]))).toThrow('while another');
  });

  function readBack(bytes: Buffer) {
    const path = join(dir, 'frame');
    writeFileSync(path, bytes);
    const fd = openSync(path, 'r');
    try {
      return new Channel(fd).read();
    } finally {
      closeSync(fd);
    }
  }
});
