/** Of times in milliseconds: how many, p50, p99 and the worst. */
export function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share) => round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]);
  return { n: sorted.length, p50: at(0.5), p99: at(0.99), max: round(sorted.at(-1)) };
}

export function round(value) {
  return Math.round(value * 1000) / 1000;
}

export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows
    .map((row) =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[0]) : String(cell).padStart(widths[at]))).join('  '),
    )
    .join('\n');
}
