/** Which ranges of /etc/subuid a worker uses, and what it says of those that it does not. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SOCK = resolve(import.meta.dirname, '../../../src/sandbox/sock');
const CHOOSE = `
import json, sys
sys.path.insert(0, sys.argv[1])
from spawner import sub_ids
text, taken = json.load(sys.stdin)
try:
    found = sub_ids.choose("/etc/subuid", text, {"alice", "1000"}, set(taken), 5097)
    print(f"{found.first}+{found.count}")
except sub_ids.Unusable as error:
    print(error)
`;

function choose(text: string, taken: number[] = [0, 1000]): string {
  const input = JSON.stringify([text, taken]);
  return execFileSync('python3', ['-I', '-S', '-B', '-c', CHOOSE, SOCK], { input, encoding: 'utf8' }).trim();
}

describe('of /etc/subuid', () => {
  test.each([
    ['a range by name', 'bob:100000:65536\nalice:165536:65536\n', '165536+65536'],
    ['a range by number', '1000:165536:65536', '165536+65536'],
    ['the largest of several', 'alice:100000:100\nalice:200000:70000\nalice:300000:6000\n', '200000+70000'],
    ['one beside lines that are none', '# ids\n\nalice\nalice:200000:70000\n', '200000+70000'],
  ])('%s is used', (_what, text, found) => {
    expect(choose(text)).toBe(found);
  });

  test.each([
    ['nothing', '', /no range for alice or 1000$/],
    ['only those of others', 'bob:100000:65536\n', /no range for alice or 1000$/],
    ['a line that can not be read', 'alice:many:65536\n', /line 1 of it is no name:first:count/],
    ['too few', 'alice:100000:5096\n', /has 5096 ids, and 5097 are needed/],
    ['the id of the user', 'alice:500:65536\n', /from 500 on holds id 1000, which somebody has/],
    ['root', 'alice:0:65536\n', /holds id 0, which somebody has/],
    ['what another has as well', 'alice:100000:65536\nbob:160000:65536\n', /from 100000 on overlaps that of bob/],
    ['numbers that are no ids', 'alice:4294900000:99999999\n', /is beyond the last id/],
  ])('%s is not used, and the reason told', (_what, text, reason) => {
    expect(choose(text)).toMatch(reason);
  });
});
