import { expect, test } from 'vitest';
import { isUnitName, type UnitFacts, unitNameOf, unitText } from '../../../src/cluster/systemd-unit.ts';

const FACTS: UnitFacts = {
  cluster: '/srv/functions',
  program: { node: '/usr/bin/node', main: '/opt/isla/dist/main.js' },
  user: false,
  ownerId: 0,
  graceMs: 10_000,
  firstPort: 9_200,
};

function setting(text: string, key: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.startsWith(`${key}=`))
    ?.slice(key.length + 1);
}

test('the unit runs one worker of the cluster and says when it is ready', () => {
  const text = unitText(FACTS);
  expect(setting(text, 'Type')).toBe('notify');
  expect(setting(text, 'ExecStart')).toBe(
    '"/usr/bin/node" "/opt/isla/dist/main.js" "worker-exec" "--cluster=/srv/functions" --first-port=9200 --worker=%i',
  );
  expect(setting(text, 'Delegate')).toBe('yes');
  expect(setting(text, 'KillMode')).toBe('mixed');
  expect(setting(text, 'TimeoutStopSec')).toBe('20');
  expect(setting(text, 'User')).toBe(undefined);
  expect(setting(text, 'CapabilityBoundingSet')).toMatch(/^~CAP_SYS_MODULE /);
  expect(setting(text, 'WantedBy')).toBe('multi-user.target');
});

test('a cluster that is not root’s is run by its owner, and by a user’s own systemd without anything of root', () => {
  const owned = unitText({ ...FACTS, ownerId: 1000 });
  expect(setting(owned, 'User')).toBe('1000');
  expect(setting(owned, 'CapabilityBoundingSet')).toBe(undefined);
  const own = unitText({ ...FACTS, user: true, ownerId: 1000 });
  expect(setting(own, 'User')).toBe(undefined);
  expect(setting(own, 'CapabilityBoundingSet')).toBe(undefined);
  expect(setting(own, 'WantedBy')).toBe('default.target');
});

test('whatever a path holds stays one word, without a meaning to systemd', () => {
  const text = unitText({ ...FACTS, cluster: '/a "b" \\c $d %e\n[Service]' });
  expect(setting(text, 'ExecStart')).toBe(
    '"/usr/bin/node" "/opt/isla/dist/main.js" "worker-exec" "--cluster=/a \\"b\\" \\\\c $$d %%e\\u000a[Service]" --first-port=9200 --worker=%i',
  );
  expect(text.split('\n').filter((line) => line === '[Service]')).toHaveLength(1);
});

test('the unit is named after the cluster', () => {
  expect(['functions', 'my cluster', 'ü', '-x-', 'a/b', 'x'.repeat(300)].map(unitNameOf)).toEqual([
    'isla-functions',
    'isla-my-cluster',
    'isla-cluster',
    'isla-x',
    'isla-a-b',
    `isla-${'x'.repeat(95)}`,
  ]);
  expect(['a', 'a@b', '', 'a b', 'a/b', 'x'.repeat(101)].map(isUnitName)).toEqual([
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});
