import type { Caller, Output } from './caller.ts';

export type ColourWish = 'auto' | 'always' | 'never';

/** Not util.styleText: it asks process.stdout whether it is a terminal, in some versions, not the stream that we write to. */
const ANSI = { red: [31, 39], yellow: [33, 39], green: [32, 39], dim: [2, 22], bold: [1, 22] } as const;

export type Colour = keyof typeof ANSI;

/** Paints words, or leaves them alone where nobody would see colour. */
export type Paint = (colour: Colour, text: string) => string;

export function painter(stream: Output, env: Caller['env'], wish: ColourWish): Paint {
  if (!wantsColour(stream, env, wish)) return (_, text) => text;
  return (colour, text) => `\x1b[${ANSI[colour][0]}m${text}\x1b[${ANSI[colour][1]}m`;
}

/** The order of no-color.org and bixense.com/clicolors; the flag wins. */
export function wantsColour(stream: Output, env: Caller['env'], wish: ColourWish): boolean {
  if (wish !== 'auto') return wish === 'always';
  if (env.NO_COLOR) return false;
  if (isOn(env.FORCE_COLOR) || isOn(env.CLICOLOR_FORCE)) return true;
  return env.TERM !== 'dumb' && stream.isTTY === true;
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

/** Rows of words, each column as wide as its widest, two spaces between. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    });
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `12.3 MiB`; a dash for what nobody knows. */
export function mebibytes(bytes: number | null | undefined): string {
  return typeof bytes === 'number' ? `${(bytes / 1_048_576).toFixed(1)} MiB` : '-';
}

/** `0.4s`, `59s`, `12m`, `3h`, `9d`: the largest unit that fits. */
export function shortAge(ms: number): string {
  const units: readonly [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
  ];
  const fitting = units.find(([unitMs]) => ms >= unitMs);
  return fitting === undefined ? `${(ms / 1_000).toFixed(1)}s` : `${Math.floor(ms / fitting[0])}${fitting[1]}`;
}
