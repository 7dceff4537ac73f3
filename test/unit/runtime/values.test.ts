import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

function python(script: string): { stdout: string; stderr: string } {
  const { stdout, stderr } = spawnSync('python3', ['-B', '-c', script], { encoding: 'utf8' });
  return { stdout, stderr };
}

test('events and results are read and written as json.loads and json.dumps do it, to the letter', () => {
  const script = `
import json, sys
sys.path.insert(0, "src/runtime")
from python import values

def refuse(name):
    raise ValueError(f"{name} is not JSON")

def told(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

texts = ['{"a": 1}', ' {"a": 1}\\n', '[1, 2.5e3, -0, null, true]', '"\\\\ud800"', '123456789012345678901234567890', "", " ", "{", "[1,]",
         "{} {}", "NaN", "[Infinity]", "-Infinity", '{"a": 1, "a": 2}', '"é"', "[" * 100_000, '"\\x01"', "1 ", " 1"]
events = [text.encode() for text in texts] + ['{"a": 1}'.encode(e) for e in ("utf-8-sig", "utf-16", "utf-32-le")] + [b"\\xff"]
for event in events:
    ours, theirs = told(values.decode, event), told(json.loads, event, parse_constant=refuse)
    assert ours == theirs, (event[:40], ours, theirs)

class Odd:
    pass

circle = []
circle.append(circle)
deep = []
for _ in range(100_000):
    deep = [deep]
results = [{"a": 1}, [1, 2.5, None, True], "é\\ud800", 10**30, {1: 2, None: 3, 2.5: 4}, (1, 2), float("nan"), [float("inf")],
           Odd(), [Odd()], {Odd(): 1}, circle, deep, {1, 2}, [[]], {}]
for result in results + results:
    ours, theirs = told(values.encode, result), told(lambda r: json.dumps(r, allow_nan=False).encode(), result)
    assert ours == theirs, (type(result), ours, theirs)

json.loads = json.dumps = None
json.JSONEncoder.default = lambda self, value: "odd"
assert values.encode([Odd()]) == b'["odd"]'
print("same")
`;
  expect(python(script)).toEqual({ stdout: 'same\n', stderr: '' });
});
