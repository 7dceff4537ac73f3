import { expect, test } from 'vitest';
import { BoundedNames, Metrics, OTHER } from '../../../src/lib/metrics.ts';
import { readPrometheusText, sampleOf } from '../../prometheus-text.ts';

test('what was counted is told by name, type and labels', () => {
  const metrics = new Metrics();
  const calls = metrics.counter({ name: 'calls_total', help: 'Calls.', labels: ['function', 'how'] });
  calls.of('hello', 'fork').add();
  calls.of('hello', 'fork').add(2);
  calls.of('other', 'spawn').add();
  metrics.gauge({ name: 'depth', help: 'How deep.' }).of().set(-1.5);
  const text = metrics.text();
  expect(text).toBe(`# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{function="hello",how="fork"} 3
calls_total{function="other",how="spawn"} 1
# HELP depth How deep.
# TYPE depth gauge
depth -1.5
`);
  expect(sampleOf(readPrometheusText(text), 'calls_total', { function: 'other' })).toBe(1);
});

test('a histogram counts up to and with its bounds, what is above them, and the sum', () => {
  const metrics = new Metrics();
  const wait = metrics.histogram({ name: 'wait_seconds', help: 'Wait.', labels: ['of'] }, [0.1, 1, 10]).of('a');
  for (const seconds of [0.1, 0.5, 10, 11, 0]) wait.observe(seconds);
  const read = readPrometheusText(metrics.text());
  const bucket = (le: string) => sampleOf(read, 'wait_seconds_bucket', { of: 'a', le });
  expect(['0.1', '1', '10', '+Inf'].map(bucket)).toEqual([2, 3, 4, 5]);
  expect(sampleOf(read, 'wait_seconds_sum')).toBeCloseTo(21.6);
  expect(sampleOf(read, 'wait_seconds_count')).toBe(5);
});

test('whatever a label holds comes out as it went in', () => {
  const metrics = new Metrics();
  const odd = 'a "b" \\ \n {c="d"} ü \\n';
  metrics
    .gauge({ name: 'odd', help: 'Two\nlines \\ and a "quote".', labels: ['label'] })
    .of(odd)
    .set(1);
  expect(readPrometheusText(metrics.text()).get('odd')?.samples).toEqual([
    { name: 'odd', labels: { label: odd }, value: 1 },
  ]);
});

test('values may be large, small and infinite', () => {
  const metrics = new Metrics();
  const values = [1e21, 1.5e-7, Number.POSITIVE_INFINITY, 12_345_678_901];
  const family = metrics.gauge({ name: 'value', help: 'A value.', labels: ['at'] });
  for (const [at, value] of values.entries()) family.of(String(at)).set(value);
  expect(
    readPrometheusText(metrics.text())
      .get('value')
      ?.samples.map(({ value }) => value),
  ).toEqual(values);
});

test('a family without labels is told before anything has happened, one with labels has no series yet', () => {
  const metrics = new Metrics();
  metrics.counter({ name: 'a_total', help: 'A.' });
  metrics.counter({ name: 'b_total', help: 'B.', labels: ['x'] });
  const read = readPrometheusText(metrics.text());
  expect(sampleOf(read, 'a_total')).toBe(0);
  expect(read.get('b_total')?.samples).toEqual([]);
});

test('a wrong number of labels is a mistake that is told by name', () => {
  const family = new Metrics().counter({ name: 'a_total', help: 'A.', labels: ['x', 'y'] });
  expect(() => family.of('1')).toThrow('a_total has the labels x, y');
});

test('so many names get through and no more, and those that did go on to', () => {
  const names = new BoundedNames(2);
  expect(['a', 'b', 'c', 'a', 'd', 'b'].map((name) => names.of(name))).toEqual(['a', 'b', OTHER, 'a', OTHER, 'b']);
});

test.each([
  ['no end', '# HELP a A.\n# TYPE a gauge\na 1'],
  ['no help', '# TYPE a gauge\na 1\n'],
  ['no type', 'a 1\n'],
  ['two places', '# HELP a A.\n# TYPE a gauge\na 1\n# HELP a A.\n# TYPE a gauge\na 1\n'],
  ['twice', '# HELP a A.\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n'],
  ['an unescaped quote', '# HELP a A.\n# TYPE a gauge\na{x="1"2"} 1\n'],
  ['not a number', '# HELP a A.\n# TYPE a gauge\na undefined\n'],
  ['a counter without _total', '# HELP a A.\n# TYPE a counter\na 1\n'],
  ['buckets that do not add up', '# HELP a A.\n# TYPE a histogram\na_bucket{le="+Inf"} 2\na_sum 1\na_count 1\n'],
])('the reader of these tests refuses %s', (_what, text) => {
  expect(() => readPrometheusText(text)).toThrow();
});
