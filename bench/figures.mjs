/** What was measured: figures, each beside the floor or the peer that it is compared with; as a table, as JSON, as plots. */
import { round, summary, table } from './stats.mjs';

export class Figures {
  #rows = [];
  #missing = [];

  /**
   * `unit`: `ms`, `per second` or `MB`; of times there are percentiles, of all else one value with the least and the
   * most of its rounds. `floor`: a figure of the same group that was added before, which it is divided by. `want`: what
   * is promised of that ratio, in words.
   */
  add(group, name, measured, { unit = 'ms', floor, want } = {}) {
    const figure = { group, name, unit, ...(Array.isArray(measured) ? summary(measured) : measured) };
    const beside = this.#rows.find((one) => one.group === group && one.name === floor);
    if (floor !== undefined && beside === undefined) throw new Error(`there is no figure ${group}: ${floor}`);
    if (beside !== undefined) Object.assign(figure, { floor, ratio: round(comparedBy(figure) / comparedBy(beside)) });
    if (want !== undefined) figure.want = want;
    this.#rows.push(figure);
    return figure;
  }

  /** A peer that this machine can not have. */
  lacks(name, reason) {
    this.#missing.push({ name, reason });
  }

  get missing() {
    return this.#missing;
  }

  toJSON() {
    return { figures: this.#rows, missing: this.#missing };
  }

  groups() {
    return [...new Set(this.#rows.map(({ group }) => group))];
  }

  rowsOf(group) {
    return this.#rows.filter((one) => one.group === group);
  }

  text() {
    const parts = this.groups().map((group) => `${groupTable(group, this.rowsOf(group))}\n`);
    const missing = this.#missing.map(({ name, reason }) => `  ${name}: ${reason}`);
    if (missing.length > 0) parts.push(`not run:\n${missing.join('\n')}\n`);
    return parts.join('\n');
  }
}

/** What a figure is compared by. */
export function comparedBy({ unit, p50, value }) {
  return unit === 'ms' ? p50 : value;
}

/** Of values that were measured one after the other: the middle one, with the spread. */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    n: sorted.length,
    value: round(sorted[Math.floor(sorted.length / 2)]),
    least: round(sorted[0]),
    most: round(sorted.at(-1)),
  };
}

function groupTable(group, rows) {
  const times = rows.some(({ unit }) => unit === 'ms');
  const head = times ? ['n', 'p50', 'p99', 'max'] : ['n', 'value', 'least', 'most'];
  const lines = rows.map((row) => {
    const values = row.unit === 'ms' ? [row.p50, row.p99, row.max] : [row.value, row.least ?? '', row.most ?? ''];
    const ratio = row.ratio === undefined ? '' : `${row.ratio} x ${row.floor}${row.want ? ` (${row.want})` : ''}`;
    return [row.name, row.n ?? '', ...values, row.unit, ratio];
  });
  return table([[group, ...head, '', 'of'], ...lines]);
}
