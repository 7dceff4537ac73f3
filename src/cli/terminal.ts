import { styleText } from 'node:util';
import type { Caller, Output } from './caller.ts';

export type ColourWish = 'auto' | 'always' | 'never';
export type Colour = 'red' | 'yellow' | 'green' | 'dim' | 'bold';

/** Paints words, or leaves them alone where nobody would see colour. */
export type Paint = (colour: Colour, text: string) => string;

export function painter(stream: Output, env: Caller['env'], wish: ColourWish): Paint {
  return wantsColour(stream, env, wish) ? (colour, text) => styleText(colour, text) : (_, text) => text;
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
