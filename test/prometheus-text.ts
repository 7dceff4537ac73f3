/**
 * Reads the Prometheus text format as its description has it, and forgives nothing: every family has HELP and
 * TYPE before its samples and stands in one place, no series comes twice, names and values are legal, counters
 * end in `_total`, and a histogram's buckets add up.
 */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface ReadFamily {
  type: string;
  help: string;
  samples: Sample[];
}

const NAME = '[a-zA-Z_][a-zA-Z0-9_]*';
const LABEL = `${NAME}="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"`;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`);
const VALUE = /^(?:[+-]Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

export function readPrometheusText(text: string): Map<string, ReadFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, ReadFamily>();
  let current: [string, ReadFamily] | undefined;
  let help: [string, string] | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, name, rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') help = [name as string, rest];
    else if (word === 'TYPE') {
      if (help?.[0] !== name) throw new Error(`TYPE without HELP: ${line}`);
      if (families.has(name as string)) throw new Error(`a family stands in two places: ${line}`);
      current = [name as string, { type: rest, help: help?.[1] as string, samples: [] }];
      families.set(...current);
    } else {
      if (current === undefined) throw new Error(`a sample of no family: ${line}`);
      current[1].samples.push(readSample(line, current));
    }
  }
  for (const [name, family] of families) judge(name, family);
  return families;
}

function readSample(line: string, [family, { type }]: [string, ReadFamily]): Sample {
  const [, name, labelText = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || !VALUE.test(value as string)) throw new Error(`not a sample: ${line}`);
  const endings = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  if (!endings.some((ending) => name === family + ending)) throw new Error(`not of the family ${family}: ${line}`);
  const pairs = [...labelText.matchAll(new RegExp(`(${NAME})="((?:[^"\\\\]|\\\\.)*)"`, 'g'))];
  const labels = Object.fromEntries(pairs.map(([, label, quoted]) => [label, unescaped(quoted as string)]));
  if (Object.keys(labels).length !== pairs.length) throw new Error(`a label comes twice: ${line}`);
  return { name, labels, value: Number((value as string).replace('Inf', 'Infinity')) };
}

function judge(name: string, { type, help, samples }: ReadFamily): void {
  if (!['counter', 'gauge', 'histogram'].includes(type)) throw new Error(`${name} is of no known type: ${type}`);
  if (help.trim() === '') throw new Error(`${name} has no help`);
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is a ${type}: _total is for counters`);
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is negative`);
  const keys = samples.map((sample) => `${sample.name}${keyOf(sample.labels)}`);
  if (new Set(keys).size !== keys.length) throw new Error(`${name}: a series comes twice`);
  if (type === 'histogram') judgeHistograms(name, samples);
}

function judgeHistograms(name: string, samples: readonly Sample[]): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _le, ...rest } = sample.labels;
    const group = groups.get(keyOf(rest)) ?? [];
    group.push(sample);
    groups.set(keyOf(rest), group);
  }
  for (const group of groups.values()) judgeHistogram(name, group);
}

function judgeHistogram(name: string, samples: readonly Sample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map((bucket) => Number((bucket.labels.le as string).replace('Inf', 'Infinity')));
  const counts = buckets.map(({ value }) => value);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY || !isAscending(bounds, true)) {
    throw new Error(`${name}: bounds ${bounds}`);
  }
  if (!isAscending(counts, false)) throw new Error(`${name}: buckets are not cumulative: ${counts}`);
  const [count, ...more] = samples.filter((sample) => sample.name === `${name}_count`).map(({ value }) => value);
  if (count !== counts.at(-1) || more.length > 0) throw new Error(`${name}: ${count} observed, ${counts} in buckets`);
  const sums = samples.filter((sample) => sample.name === `${name}_sum`);
  if (sums.length !== 1) throw new Error(`${name}: ${sums.length} sums`);
}

function keyOf(labels: Record<string, string>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isAscending(numbers: readonly number[], strictly: boolean): boolean {
  return numbers.every((one, at) => at === 0 || (strictly ? one > numbers[at - 1]! : one >= numbers[at - 1]!));
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}

/** The value of the one series with at least these labels; for a histogram, of `_sum`, `_count` or a `_bucket`. */
export function sampleOf(
  families: ReadonlyMap<string, ReadFamily>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(sum|count|bucket)$/, ''));
  const found = (family?.samples ?? []).filter(
    (one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  );
  if (found.length > 1) throw new Error(`${name} ${JSON.stringify(labels)} is not one series`);
  return found[0]?.value;
}
