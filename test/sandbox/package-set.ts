/** Sets of packages written for a test, as an installer leaves them. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PackageSet } from '../../src/sandbox/sandbox.ts';

/** Modules by the name of the package that brings them, each with its source. */
export type Sources = Record<string, Record<string, string>>;

export class PackageSets {
  readonly #top: string;
  #made = 0;

  constructor(top: string) {
    this.#top = top;
  }

  /** Every package has version 1. */
  make(sources: Sources): PackageSet {
    const dir = join(this.#top, `set-${this.#made++}`);
    mkdirSync(dir, { mode: 0o755 });
    for (const [name, modules] of Object.entries(sources)) {
      const info = join(dir, `${name}-1.dist-info`);
      mkdirSync(info, { mode: 0o755 });
      writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: ${name}\nVersion: 1\n`);
      const files = Object.keys(modules).map((module) => `${module}.py`);
      writeFileSync(join(info, 'RECORD'), files.map((file) => `${file},,\n`).join(''));
      for (const [module, source] of Object.entries(modules)) writeFileSync(join(dir, `${module}.py`), source);
    }
    return { dir, members: Object.keys(sources).map(memberOf).sort() };
  }

  /** As the store of packages does it: with the packages' own files and nothing else. */
  async subset(set: PackageSet, members: ReadonlySet<string>): Promise<PackageSet> {
    const dir = join(this.#top, `set-${this.#made++}`);
    const kept = new Set([...members].map((member) => member.split('==')[0]));
    cpSync(set.dir, dir, { recursive: true });
    const { readdirSync, readFileSync, rmSync } = await import('node:fs');
    for (const info of readdirSync(set.dir).filter((name) => name.endsWith('.dist-info'))) {
      if (kept.has(info.split('-')[0])) continue;
      const record = readFileSync(join(set.dir, info, 'RECORD'), 'utf8');
      for (const line of record.trim().split('\n')) rmSync(join(dir, line.split(',')[0] as string));
      rmSync(join(dir, info), { recursive: true });
    }
    return { dir, members: set.members.filter((member) => members.has(member)) };
  }
}

export function memberOf(name: string): string {
  return `${name}==1@${'0'.repeat(64)}`;
}
