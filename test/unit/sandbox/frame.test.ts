import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameError, FrameReader } from '../../../src/sandbox/frame.ts';

interface Golden {
  what: string;
  kind: number;
  meta: string;
  body: string;
  hex: string;
}

const golden = JSON.parse(readFileSync('test/fixtures/frames.json', 'utf8')) as Golden[];
const PAYLOAD_BYTES_MAX = 1024;

const encoded = (frame: Golden) =>
  Buffer.concat(encodeFrame(frame.kind, frame.meta, Buffer.from(frame.body)).filter((piece) => piece !== undefined));

describe('frames on the worker side', () => {
  it.each(golden)('write $what as the golden file has it', (frame) => {
    expect(encoded(frame).toString('hex')).toBe(frame.hex);
  });

  it.each([1, 2, 3, 7, 64])('are read back from pieces of %i bytes', (size) => {
    const stream = Buffer.concat(golden.map((frame) => Buffer.from(frame.hex, 'hex')));
    const reader = new FrameReader(PAYLOAD_BYTES_MAX);
    const read = [];
    for (let at = 0; at < stream.length; at += size) read.push(...reader.push(stream.subarray(at, at + size)));
    expect(read.map(({ kind, meta, body }) => ({ kind, meta: `${meta}`, body: `${body}` }))).toEqual(
      golden.map(({ kind, meta, body }) => ({ kind, meta, body })),
    );
  });

  it.each([
    ['longer than allowed', 'ffffffff11'],
    ['too short to hold its meta', '0000000111'],
    ['whose meta is longer than the frame', '00000002110005'],
  ])('refuse a frame %s', (_what, hex) => {
    expect(() => new FrameReader(PAYLOAD_BYTES_MAX).push(Buffer.from(hex, 'hex'))).toThrow(FrameError);
  });
});

describe('frames on the sandbox side', () => {
  it('are written and read as the golden file has them', () => {
    const script = `
import json, socket, sys
sys.path.insert(0, "src/runtime")
from python import frames
for golden in json.load(open("test/fixtures/frames.json")):
    ours, theirs = socket.socketpair()
    writer, reader = frames.Channel(ours), frames.Channel(theirs)
    writer.write(golden["kind"], golden["meta"].encode(), golden["body"].encode())
    raw = bytes.fromhex(golden["hex"])
    assert theirs.recv(4096) == raw, golden["what"]
    for byte in raw:
        ours.send(bytes([byte]))
    assert reader.read() == (golden["kind"], golden["meta"].encode(), golden["body"].encode()), golden["what"]
    ours.close()
    assert reader.read() is None
print("same")
`;
    const { stdout, stderr } = spawnSync('python3', ['-B', '-c', script], { encoding: 'utf8' });
    expect(stdout.trim(), stderr).toBe('same');
  });
});
