/** Which languages can be run here: those of the table whose tools the base of this cluster really has. */
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { LanguageFacts } from './host.ts';
import { meaningsOf } from './language-names.ts';
import { LANGUAGES, type Language, type Rule, UNBUFFERING } from './language-table.ts';

/** The file system that sandboxes see. */
export interface BaseView {
  /** Where a path leads that a sandbox would follow: on this machine, and as the sandbox sees it. Undefined if nowhere. */
  resolve(path: string): { host: string; inside: string } | undefined;
}

/** What a runner is told of its language: commands with all tools in place (runtime/kernel/). */
export interface RunnerFacts {
  language: string;
  /** Of the interpreter, if the language has one that runs all along. */
  path: string;
  query?: {
    file: string;
    build: readonly (readonly string[])[];
    exec: readonly string[];
    env: Readonly<Record<string, string>>;
  };
  batch: Readonly<Record<string, readonly Rule[]>>;
  env: Readonly<Record<string, string>>;
}

interface Offered {
  facts: LanguageFacts;
  runner: RunnerFacts;
}

export class OfferedLanguages {
  readonly #offered = new Map<string, Offered>();
  /** What is known by which name, ids included. */
  readonly #names = new Map<string, string>();

  /** `known`: paths inside of what is there in any case, and versions; neither of them is looked for. */
  constructor(view: BaseView, known: { node?: string; versions?: Readonly<Record<string, string>> } = {}) {
    const buffering = firstOf(view, UNBUFFERING)?.inside;
    for (const language of LANGUAGES) {
      const tools = toolsOf(view, language, known.node === undefined ? {} : { node: known.node });
      if (tools === undefined) continue;
      const version = known.versions?.[language.id] ?? versionOf(language, tools.real);
      this.#offered.set(language.id, {
        facts: { id: language.id, version, aliases: language.aliases },
        runner: runnerFacts(language, tools.paths, buffering),
      });
      for (const name of [language.id, ...language.aliases]) this.#names.set(name, language.id);
    }
  }

  async list(): Promise<readonly LanguageFacts[]> {
    return [...this.#offered.values()].map(({ facts }) => facts);
  }

  async resolve(name: string): Promise<string | undefined> {
    return this.idOf(name);
  }

  /** Also of names as images have them. */
  idOf(name: string): string | undefined {
    const [bare, withoutVersion] = meaningsOf(name);
    return this.#names.get(bare) ?? this.#names.get(withoutVersion);
  }

  /** Of an id that `resolve` has given. */
  runnerFacts(id: string): RunnerFacts {
    const offered = this.#offered.get(id);
    if (offered === undefined) throw new Error(`the language ${id} is not offered here`);
    return offered.runner;
  }
}

/** Undefined if one is missing. `paths`: as the sandbox sees them; `real`: where they lead. */
function toolsOf(
  view: BaseView,
  { tools, beside = {} }: Language,
  known: Readonly<Record<string, string>>,
): { paths: Record<string, string>; real: Record<string, string> } | undefined {
  const paths: Record<string, string> = {};
  const real: Record<string, string> = {};
  for (const [name, places] of Object.entries(tools)) {
    const given = known[name];
    if (given !== undefined) {
      paths[name] = real[name] = given;
      continue;
    }
    const found = firstOf(view, places, beside[name]);
    if (found === undefined) return undefined;
    paths[name] = found.inside;
    real[name] = found.real;
  }
  return { paths, real };
}

/** The first of the places that is there, and where it leads. `beside`: what must be there too, from where it leads. */
function firstOf(
  view: BaseView,
  places: readonly string[],
  beside?: string,
): { inside: string; real: string } | undefined {
  for (const inside of places.flatMap((place) => expanded(view, place))) {
    const found = view.resolve(inside);
    if (found === undefined) continue;
    if (beside !== undefined && view.resolve(join(dirname(found.inside), beside)) === undefined) continue;
    return { inside, real: found.inside };
  }
  return undefined;
}

/** A path with one star in it as all that it stands for, the newest first. */
function expanded(view: BaseView, place: string): string[] {
  const star = place.indexOf('*');
  if (star < 0) return [place];
  const start = place.lastIndexOf('/', star);
  const end = place.indexOf('/', star);
  const [head, tail] = basename(end < 0 ? place : place.slice(0, end)).split('*', 2) as [string, string];
  const rest = end < 0 ? '' : place.slice(end);
  const directory = view.resolve(place.slice(0, start));
  return namesIn(directory?.host)
    .filter((name) => name.startsWith(head) && name.endsWith(tail) && name.length >= head.length + tail.length)
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .map((name) => `${place.slice(0, start)}/${name}${rest}`);
}

function namesIn(directory: string | undefined): string[] {
  if (directory === undefined) return [];
  try {
    return readdirSync(directory);
  } catch {
    return []; // no directory, or not for us
  }
}

function versionOf({ version }: Language, real: Readonly<Record<string, string>>): string {
  return version === undefined ? '' : (version[1].exec(real[version[0]] ?? '')?.[1] ?? '');
}

function runnerFacts(
  language: Language,
  tools: Readonly<Record<string, string>>,
  buffering: string | undefined,
): RunnerFacts {
  const { id, query, batch, buffers } = language;
  const put = (argv: readonly string[]) => argv.map((word) => withTools(word, tools));
  const stage = (rules: readonly Rule[] = []) =>
    rules.map((rule) => ({ ...rule, ...(rule.each && { each: put(rule.each) }), run: rule.run.map(put) }));
  const printing = buffers && buffering ? { LD_PRELOAD: buffering, _STDBUF_I: 'L', _STDBUF_O: 'L' } : {};
  const env = { ...language.env, ...printing };
  return {
    language: id,
    path: Object.values(tools)[0] as string,
    ...(query && { query: { file: query.file, build: query.build.map(put), exec: put(query.exec), env } }),
    batch: { clean: stage(batch.clean), build: stage(batch.build), exec: stage(batch.exec) },
    env,
  };
}

function withTools(word: string, tools: Readonly<Record<string, string>>): string {
  return word.replaceAll(/\{([^}]+)\}/g, (whole, name: string) => tools[name] ?? whole);
}
