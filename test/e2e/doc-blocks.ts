/** The blocks of a document: commands that run, files that are written, output that is compared. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cleanEnvironment, run } from './admin.ts';

export interface Block {
  language: string;
  text: string;
  /** Of its first mark in the document, from 1. */
  line: number;
}

export function blocksOf(text: string): Block[] {
  const found: Block[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const language = /^```(.*)$/.exec(lines[at]!)?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    if (end === -1) throw new Error(`the block on line ${at + 1} has no end`);
    found.push({ language, text: lines.slice(at + 1, end).join('\n'), line: at + 1 });
    at = end;
  }
  return found;
}

/**
 * Follows a document, block by block, in a copy of the checkout: `sh` runs, `text` is what the command before it
 * printed, all else is the content of the file that was named last.
 */
export class Follower {
  readonly #text: string;
  readonly #checkout: string;
  readonly #port: number;
  #printed = '';

  /** `port` stands in for the document's 8080, which may be taken on the machine that tests. */
  constructor(text: string, { checkout, port }: { checkout: string; port: number }) {
    this.#text = text;
    this.#checkout = checkout;
    this.#port = port;
  }

  async follow(block: Block): Promise<void> {
    const text = block.text.replaceAll('8080', String(this.#port));
    if (block.language === 'sh') await this.#run(text);
    else if (block.language === 'text') expect(this.#printed).toMatch(patternOf(text));
    else writeFileSync(join(this.#checkout, pathNamedBefore(this.#text, block.line)), `${text}\n`);
  }

  async #run(text: string): Promise<void> {
    const env = cleanEnvironment({ PORT: String(this.#port), NO_PROXY: '*' });
    const done = await run('bash', ['-euo', 'pipefail', '-c', text], { cwd: this.#checkout, env });
    expect(done, `${done.stdout}${done.stderr}`).toMatchObject({ status: 0 });
    this.#printed = done.stdout;
  }
}

/** Some lines hold facts of the moment: memory, times. `…` in the document stands for those. */
function patternOf(text: string): RegExp {
  const parts = text
    .trim()
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(parts.join('.*'));
}

/** The file named last before the line, in backticks, ending in `:`. */
function pathNamedBefore(text: string, line: number): string {
  const before = text
    .split('\n')
    .slice(0, line - 1)
    .join('\n');
  const path = [...before.matchAll(/`([^`\s]+\.(?:py|json|txt|ts|mjs))`[^`]*:\s*$/g)].at(-1)?.[1];
  if (path === undefined) throw new Error(`no file is named before the block on line ${line}`);
  return path;
}
