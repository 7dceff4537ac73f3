/** Charts of the last two minutes: bars of calls and failures, lines of latencies on a logarithmic scale. */
import { h, milliseconds, svg } from './dom.js';

const WIDTH = 600;
const HEIGHT = 140;
const SECONDS = 120;
const BAR = WIDTH / SECONDS;

/** `seconds` are `{at, calls, errors, p50, p99}`, `now` is Unix time in seconds. */
export function rateChart(seconds, now) {
  const most = Math.max(5, ...seconds.map(({ calls }) => calls));
  const bars = seconds.flatMap(({ at, calls, errors }) => {
    const x = (SECONDS - (now - at)) * BAR;
    const high = (count) => (count / most) * (HEIGHT - 20);
    const bar = (kind, count, from) =>
      count > 0 && svg('rect', { class: kind, x, y: HEIGHT - high(from + count), width: BAR - 1, height: high(count) });
    return [bar('bad', errors, 0), bar('good', calls - errors, errors)];
  });
  return chart('Calls per second', `${most}/s`, bars);
}

export function latencyChart(seconds, now) {
  const known = seconds.filter(({ p99 }) => p99 !== null);
  const most = Math.max(10, ...known.map(({ p99 }) => p99));
  const y = (ms) => HEIGHT - ((Math.log10(Math.max(ms, 0.1)) + 1) / (Math.log10(most) + 1)) * (HEIGHT - 20);
  const dots = known.flatMap(({ at, p50, p99 }) => {
    const x = (SECONDS - (now - at)) * BAR + BAR / 2;
    return [
      svg('line', { class: 'span', x1: x, x2: x, y1: y(p50), y2: y(p99) }),
      dot('p99', x, y(p99)),
      dot('p50', x, y(p50)),
    ];
  });
  return chart('Latency: median and 99th percentile', milliseconds(most), dots);
}

/** The end of a line of no length: round, however the chart is stretched. */
function dot(kind, x, y) {
  return svg('path', { class: kind, d: `M${x} ${y}h.01` });
}

function chart(title, most, marks) {
  return h(
    'figure',
    {},
    h('figcaption', {}, title, h('span', { class: 'quiet' }, most)),
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title, preserveAspectRatio: 'none' },
      svg('line', { class: 'axis', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
      marks,
    ),
    h('p', { class: 'ends quiet' }, h('span', {}, `${SECONDS / 60} minutes ago`), h('span', {}, 'now')),
  );
}

/** Where the time of a call went: one bar, its parts as wide as they are long. */
export function flame({ queueMs, initMs, runMs, durationMs }) {
  const parts = [
    ['queue', queueMs ?? 0],
    ['init', initMs ?? 0],
    ['run', runMs ?? 0],
  ];
  const known = parts.reduce((sum, [, ms]) => sum + ms, 0);
  const whole = Math.max(durationMs, known, 0.001);
  const rest = ['rest', Math.max(0, durationMs - known)];
  const shown = [...parts, rest].filter(([, ms]) => ms > 0);
  const bar = h(
    'div',
    { class: 'flame', role: 'img', 'aria-label': shown.map(([name, ms]) => `${name} ${milliseconds(ms)}`).join(', ') },
    shown.map(([name, ms]) => {
      const part = h('span', { class: name, title: `${name} ${milliseconds(ms)}` });
      part.style.flexGrow = String(ms / whole);
      return part;
    }),
  );
  const legend = shown.map(([name, ms]) => h('li', {}, h('i', { class: name }), `${name} ${milliseconds(ms)}`));
  return h('div', {}, bar, h('ul', { class: 'legend' }, legend));
}
