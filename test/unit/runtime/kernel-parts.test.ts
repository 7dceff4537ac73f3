/** Parts of the kernels' Python that need no sandbox. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchDir } from '../scratch-dir.ts';

function python(script: string): { stdout: string; stderr: string } {
  const head =
    'import sys\nsys.path.insert(0, "src/runtime")\nimport python, python.orphans\nsys.modules["isla_runtime"] = python';
  const text = `${head}\n${script}`;
  const { stdout, stderr } = spawnSync('python3', ['-B', '-c', text], { encoding: 'utf8', timeout: 20_000 });
  return { stdout, stderr };
}

test('a message comes whole out of its packets, in whatever order others come between', () => {
  const script = `
from kernel import packets
from kernel.packets import Assembler, packets_of

def told(assembler, packet):
    try:
        return assembler.take(packet)
    except ValueError as error:
        return str(error)

small, large = b"x" * packets.PIECE_BYTES, bytes(range(256)) * 1000
assert len(list(packets_of(1, small))) == 1
parts = list(packets_of(2, large, packets.AFTER_OTHERS))
assert len(parts) > 1 and all(len(part) <= packets.PACKET_BYTES_MAX for part in parts)
one = Assembler(1 << 20)
assert [told(one, part) for part in parts[:-1]] == [None] * (len(parts) - 1)
assert told(one, bytes((3, 0)) + b"between") == (3, 0, b"between")
kind, flags, payload = told(one, parts[-1])
assert (kind, payload) == (2, large) and flags & packets.AFTER_OTHERS
# Begun anew, it is the new one.
told(one, parts[0])
for part in parts[:-1]:
    told(one, part)
assert told(one, parts[-1])[2] == large

print(told(one, b""), told(one, bytes((2, packets.PART, 0))), told(one, parts[1]), sep="\\n")
print(told(Assembler(10), parts[0]))
full = Assembler(1 << 30)
for key in range(100):
    last = told(full, bytes((2, packets.PART | packets.FIRST)) + key.to_bytes(8, "little"))
print(last)
`;
  expect(python(script)).toEqual({
    stdout: [
      'a packet without a head',
      'a part without a key',
      'a part of what was not begun',
      'a message of more than 10 bytes',
      'more than 64 messages begun at once',
      '',
    ].join('\n'),
    stderr: '',
  });
});

test('what others write to a pipe has its place among what is said, however late that is heard', () => {
  const script = `
import os, time
from kernel.others_pipe import OthersPipe

reads, writes = os.pipe()
os.set_blocking(reads, False)
pipe = OthersPipe(reads)
os.write(writes, b"one")
first = (time.monotonic_ns(), 3)
second = (time.monotonic_ns(), 3)
os.write(writes, b"two")
third = (time.monotonic_ns(), 6)
heard = [pipe.take(pipe.end_at(*first)), pipe.take(pipe.end_at(*second)), pipe.take(pipe.end_at(*third))]
assert heard == [b"one", b"", b"two"], heard
os.write(writes, b"three")
now = time.monotonic_ns()
taken = pipe.take(pipe.end())
pipe.forget_before(now)
assert taken == b"three" and pipe.take(pipe.end()) == b""
late = (now, 5)
assert pipe.take(pipe.end_at(*late)) == b"" and not pipe.is_over()
assert pipe.take(1 << 40) == b""
os.write(writes, b"x")
os.close(writes)
assert not pipe.is_over() and pipe.take(pipe.end()) == b"x" and pipe.is_over()
print("in place")
`;
  expect(python(script)).toEqual({ stdout: 'in place\n', stderr: '' });
});

test('a directory is copied with its links and modes, what leads out of it as a link, and removed', () => {
  const dir = mkdtempSync(join(scratchDir(), 'isla-trees-'));
  const script = `
import os, stat
from kernel import trees

os.chdir(${JSON.stringify(dir)})
os.makedirs("from/sub/empty")
open("from/sub/a", "w").write("a" * 100_000)
os.chmod("from/sub/a", 0o640)
os.chmod("from/sub", 0o750)
os.symlink("/etc/passwd", "from/out")
os.symlink("from", "from/sub/self")
os.mkfifo("from/fifo")
os.mkdir("to")
trees.copy("from", "to")
assert open("to/sub/a").read() == "a" * 100_000
assert [stat.S_IMODE(os.stat(p).st_mode) for p in ("to/sub/a", "to/sub")] == [0o640, 0o750]
assert [os.readlink(p) for p in ("to/out", "to/sub/self")] == ["/etc/passwd", "from"]
assert os.path.isdir("to/sub/empty") and not os.path.lexists("to/fifo")
trees.remove("to")
assert sorted(os.listdir(".")) == ["from"] and os.path.exists("/etc/passwd")
print("copied")
`;
  try {
    expect(python(script)).toEqual({ stdout: 'copied\n', stderr: '' });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('what has got the number of a descriptor that was ready is not taken for it', () => {
  const script = `
import os, subprocess
from kernel.loop import Loop

loop = Loop(lambda: None)
(one, to_one), (two, to_two) = os.pipe(), os.pipe()
os.write(to_one, b"x")
os.write(to_two, b"x")
process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
ends = []

def heard():
    for fd in (one, two):
        loop.forget(fd)
        os.close(fd)
    for _ in (one, two):
        loop.on_end(process.pid, ended)
    loop.after(0, process.stdin.close)

def ended(status):
    ends.append(status)
    if len(ends) == 2:
        loop.stop()

for fd in (one, two):
    loop.on_readable(fd, heard)
loop.run()
print(ends)
`;
  expect(python(script)).toEqual({ stdout: '[0, None]\n', stderr: '' });
});

test('output that a program has read again itself is not waited for', () => {
  const script = `
import fcntl, os
from kernel.pipes import PIECE_BYTES, Outputs

(out, to_out), (err, _to_err) = os.pipe(), os.pipe()
fcntl.fcntl(to_out, 1031, 4 * PIECE_BYTES)  # F_SETPIPE_SZ
heard = []

def hear(stream, data):
    heard.append((stream, len(data)))
    os.read(os.open(f"/proc/self/fd/{out}", os.O_RDONLY), 4 * PIECE_BYTES)

outputs = Outputs(lambda fd, callback: None, (out, err), hear)
os.write(to_out, bytes(3 * PIECE_BYTES))
outputs.tell_rest()
os.write(to_out, bytes(3 * PIECE_BYTES))
os.close(to_out)
outputs.tell_rest()
print(heard)
`;
  expect(python(script)).toEqual({ stdout: "[('stdout', 65536), ('stdout', 65536)]\n", stderr: '' });
});
