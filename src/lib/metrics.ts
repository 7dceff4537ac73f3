/**
 * Counters, gauges and histograms, and how they are told: the Prometheus text format, version 0.0.4.
 * Whoever counts often keeps the series, so that counting is an addition and no look-up.
 */

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Readonly<Record<string, string>>;

export interface FamilyFacts {
  name: string;
  /** One sentence. */
  help: string;
  /** Names of the labels that each series of the family has. */
  labels?: readonly string[];
}

export class Counter {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }
}

export class Gauge {
  value = 0;

  set(value: number): void {
    this.value = value;
  }
}

export class Histogram {
  /** Upper bounds, ascending; what is above the last is counted in `count` alone. */
  readonly bounds: readonly number[];
  /** Per bound, not cumulated. */
  readonly counts: number[];
  count = 0;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.count += 1;
    this.sum += value;
    const { bounds } = this;
    for (let at = 0; at < bounds.length; at += 1) {
      if (value <= (bounds[at] as number)) {
        (this.counts[at] as number) += 1;
        return;
      }
    }
  }
}

/** A series and what comes before its values in the text, made once. */
interface Entry<Series> {
  series: Series;
  heads: readonly string[];
}

/** One name with one series for each combination of label values. */
export class Family<Series> {
  readonly facts: FamilyFacts;
  readonly #newSeries: () => Series;
  readonly #headsOf: (name: string, labels: Labels, series: Series) => readonly string[];
  readonly #series = new Map<string, Entry<Series>>();

  constructor(
    facts: FamilyFacts,
    newSeries: () => Series,
    headsOf: (name: string, labels: Labels, series: Series) => readonly string[],
  ) {
    this.facts = facts;
    this.#newSeries = newSeries;
    this.#headsOf = headsOf;
    // One without labels is told from the beginning: to see a 0 is to know that nothing happened.
    if ((facts.labels ?? []).length === 0) this.of();
  }

  /** The series with these label values, in the order of the names. */
  of(...values: readonly string[]): Series {
    const key = values.join('\u0000');
    const known = this.#series.get(key);
    if (known !== undefined) return known.series;
    const names = this.facts.labels ?? [];
    if (names.length !== values.length) throw new Error(`${this.facts.name} has the labels ${names.join(', ')}`);
    const labels = Object.fromEntries(names.map((name, at) => [name, values[at] as string]));
    const series = this.#newSeries();
    this.#series.set(key, { series, heads: this.#headsOf(this.facts.name, labels, series) });
    return series;
  }

  all(): Iterable<Entry<Series>> {
    return this.#series.values();
  }
}

interface Told {
  facts: FamilyFacts;
  type: 'counter' | 'gauge' | 'histogram';
  tell(lines: string[]): void;
}

/** The families of one program, in the order in which they were made. */
export class Metrics {
  readonly #told: Told[] = [];

  counter(facts: FamilyFacts): Family<Counter> {
    const family = new Family(facts, () => new Counter(), valueHead);
    return this.#add('counter', family, tellValue);
  }

  gauge(facts: FamilyFacts): Family<Gauge> {
    const family = new Family(facts, () => new Gauge(), valueHead);
    return this.#add('gauge', family, tellValue);
  }

  histogram(facts: FamilyFacts, bounds: readonly number[]): Family<Histogram> {
    const family = new Family(facts, () => new Histogram(bounds), histogramHeads);
    return this.#add('histogram', family, tellHistogram);
  }

  /** All of it, as it is now. */
  text(): string {
    const lines: string[] = [];
    for (const { facts, type, tell } of this.#told) {
      lines.push(`# HELP ${facts.name} ${escapedHelp(facts.help)}`, `# TYPE ${facts.name} ${type}`);
      tell(lines);
    }
    return `${lines.join('\n')}\n`;
  }

  #add<Series>(
    type: Told['type'],
    family: Family<Series>,
    tellOne: (lines: string[], entry: Entry<Series>) => void,
  ): Family<Series> {
    const tell = (lines: string[]): void => {
      for (const entry of family.all()) tellOne(lines, entry);
    };
    this.#told.push({ facts: family.facts, type, tell });
    return family;
  }
}

function valueHead(name: string, labels: Labels): string[] {
  return [`${name}${braced(labels)} `];
}

function tellValue(lines: string[], { heads, series }: Entry<{ value: number }>): void {
  lines.push(heads[0] + number(series.value));
}

/** One for each bound, then those of the infinite bound, the sum and the count. */
function histogramHeads(name: string, labels: Labels, { bounds }: Histogram): string[] {
  const bucket = (le: string) => `${name}_bucket${braced({ ...labels, le })} `;
  const rest = braced(labels);
  return [
    ...bounds.map((bound) => bucket(number(bound))),
    bucket('+Inf'),
    `${name}_sum${rest} `,
    `${name}_count${rest} `,
  ];
}

function tellHistogram(lines: string[], { heads, series }: Entry<Histogram>): void {
  const { counts, count, sum } = series;
  let below = 0;
  let at = 0;
  for (; at < counts.length; at += 1) {
    below += counts[at] as number;
    lines.push(heads[at] + String(below));
  }
  lines.push(heads[at] + String(count), heads[at + 1] + number(sum), heads[at + 2] + String(count));
}

function braced(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapedValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapedValue(text: string): string {
  return escapedHelp(text).replaceAll('"', '\\"');
}

function escapedHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** What stands for all names for which there is no place any more. Not a legal name of anything. */
export const OTHER = '~other';

/** Lets so many different names through and no more, for labels whose values others choose. */
export class BoundedNames {
  readonly #max: number;
  readonly #names = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  of(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= this.#max) return OTHER;
    this.#names.add(name);
    return name;
  }
}
