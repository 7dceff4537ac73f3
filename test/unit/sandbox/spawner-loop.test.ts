import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const SOCK = resolve(import.meta.dirname, '../../../src/sandbox/sock');
/** Two descriptors are ready at once, and who hears the first closes both and opens others, which get their numbers. */
const REUSE = `
import os, sys
sys.path.insert(0, sys.argv[1])
from spawner.loop import Loop

loop = Loop()
pipes = [os.pipe(), os.pipe()]
heard = []

def close_both():
    for reads, writes in pipes:
        loop.forget(reads)
        os.close(reads)
        os.close(writes)
    for _ in pipes:
        reads, writes = os.pipe()
        loop.on_readable(reads, lambda fd=reads: hear(fd))
        loop.after(0, lambda to=writes: os.write(to, b"x"))

def hear(fd):
    os.set_blocking(fd, False)
    try:
        heard.append(os.read(fd, 1).decode())
    except BlockingIOError:
        heard.append("nothing")
    loop.forget(fd)
    if len(heard) == 2:
        loop.stop()

for reads, writes in pipes:
    os.write(writes, b"x")
    loop.on_readable(reads, close_both)
loop.run()
print(heard)
`;

test("the spawner's loop takes nothing for ready that has got the number of what was", () => {
  const options = { encoding: 'utf8', timeout: 20_000 } as const;
  expect(execFileSync('python3', ['-I', '-S', '-B', '-c', REUSE, SOCK], options)).toBe("['x', 'x']\n");
});
