/** One group of figures as bars, in SVG: logarithmic, because a fork and a container lie two orders apart. */
import { comparedBy } from './figures.mjs';

const ROW = 22;
const LABEL = 330;
const BARS = 420;
const MARGIN = 12;

export function plot(group, rows) {
  const values = rows.map(comparedBy).filter((value) => value > 0);
  const least = Math.floor(Math.log10(Math.min(...values)));
  const most = Math.max(least + 1, Math.ceil(Math.log10(Math.max(...values))));
  const width = (value) => (value > 0 ? Math.max(2, (BARS * (Math.log10(value) - least)) / (most - least)) : 0);
  const height = MARGIN * 2 + ROW * (rows.length + 2);
  const bars = rows.map((row, index) => bar(row, MARGIN + ROW * (index + 1), width));
  const ticks = Array.from({ length: most - least + 1 }, (_, step) => tick(10 ** (least + step), height, width));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LABEL + BARS + 110}" height="${height}" font-family="sans-serif" font-size="12">
<style>text{fill:#222}.bar{fill:#3b7ea1}.floor{fill:#9aa5ad}line{stroke:#ddd}@media(prefers-color-scheme:dark){text{fill:#ddd}line{stroke:#444}}</style>
<text x="${MARGIN}" y="${MARGIN + 4}" font-weight="bold">${escaped(group)}</text>
${ticks.join('\n')}
${bars.join('\n')}
</svg>
`;
}

function bar(row, y, width) {
  const value = comparedBy(row);
  const kind = row.floor === undefined ? 'floor' : 'bar';
  return `<text x="${LABEL - 6}" y="${y + 14}" text-anchor="end">${escaped(row.name)}</text><rect class="${kind}" x="${LABEL}" y="${y + 3}" width="${width(value).toFixed(1)}" height="${ROW - 6}"/><text x="${LABEL + width(value) + 5}" y="${y + 14}">${value} ${escaped(row.unit)}</text>`;
}

function tick(value, height, width) {
  const x = LABEL + width(value);
  const label = value >= 1000 ? `${value / 1000}k` : String(Number(value.toPrecision(1)));
  return `<line x1="${x}" x2="${x}" y1="${ROW}" y2="${height - ROW}"/><text x="${x}" y="${height - 6}" text-anchor="middle">${label}</text>`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
