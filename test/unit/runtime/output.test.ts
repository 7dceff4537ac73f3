import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Runs steps with a meter `m`, descriptors 1 and 2 being files; answers what each `tell()` told. */
function told(steps: string): unknown {
  const script = `
import json, os, sys, tempfile
sys.path.insert(0, "src/runtime")
from python import output
answer = os.dup(1)
for fd in (1, 2):
    with tempfile.TemporaryFile(buffering=0) as file:
        os.dup2(file.fileno(), fd)
m, told = output.Meter(), []
def tell(others=False): told.append(m.printed(others).decode())
def call(text="", alone=True):
    m.begin(); os.write(1, text.encode()); tell(not alone); m.rest(alone)
${steps}
os.write(answer, json.dumps(told).encode())
`;
  const { stdout, stderr } = spawnSync('python3', ['-B', '-c', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

test('nothing is told of a call that prints nothing', () => {
  expect(told('call(); call()')).toEqual(['', '']);
});

test('what was printed before the first call is its own', () => {
  expect(told('os.write(2, b"init"); call("ab"); call("c")')).toEqual([',"printed":[0,0,2,4]', ',"printed":[2,4,3,4]']);
});

test('what is printed between two calls is told apart, if somebody is there to print', () => {
  expect(told('call(alone=False); os.write(1, b"abc"); call(); call("d")')).toEqual([
    '',
    ',"printed":[3,0,3,0]',
    ',"printed":[3,0,4,0]',
  ]);
});

test('where the streams ended when a call began is told if somebody had printed, and not if they were emptied', () => {
  const between = 'm.rest(False); os.write(1, b"abc"); told.append(m.begin()); tell()';
  const emptied = 'm.rest(False); os.ftruncate(1, 0); told.append(m.begin())';
  expect(told(`call(); told.append(m.begin()); tell(); ${between}; ${emptied}`)).toEqual([
    '',
    null,
    '',
    [3, 0],
    ',"printed":[3,0,3,0]',
    null,
  ]);
});

test('files that were emptied after a call that printed are seen to be', () => {
  expect(told('call("abcdef"); os.ftruncate(1, 0); os.lseek(1, 0, 0); call(); call("x")')).toEqual([
    ',"printed":[0,0,6,0]',
    ',"printed":[0,0,0,0]',
    ',"printed":[0,0,1,0]',
  ]);
});

test('a stream that can not be measured tells nothing', () => {
  expect(told('os.close(2); call("x"); pipe = os.pipe(); os.dup2(pipe[1], 1); call("y")')).toEqual(['', '']);
});
