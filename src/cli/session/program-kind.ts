/** What a file is a program of, and how it is run, by its name's ending. Pure. */
import { Failure } from '../../config/failure.ts';

export interface ProgramKind {
  language: string;
  /** Its name in the session; its own if it is not given. */
  file?: string;
  /** What is built first: what the language does by itself. */
  build: '' | '*';
  /** Words before the program's arguments. */
  command(file: string): readonly string[];
}

const script = (language: string, ...before: string[]): ProgramKind => ({
  language,
  build: '',
  command: (file) => [...before, file],
});

const compiled = (language: string, file: string): ProgramKind => ({
  language,
  file,
  build: '*',
  command: () => ['./main'],
});

const KINDS: Readonly<Record<string, ProgramKind>> = {
  py: script('python', 'python3'),
  js: script('nodejs', 'node'),
  mjs: script('nodejs', 'node'),
  cjs: script('nodejs', 'node'),
  sh: script('bash', 'bash'),
  rb: script('ruby', 'ruby'),
  php: script('php', 'php'),
  lua: script('lua', 'lua'),
  pl: script('perl', 'perl'),
  r: script('r', 'Rscript', '--vanilla'),
  c: compiled('c', 'main.c'),
  cc: compiled('cpp', 'main.cpp'),
  cpp: compiled('cpp', 'main.cpp'),
  cxx: compiled('cpp', 'main.cpp'),
  go: compiled('golang', 'main.go'),
  rs: compiled('rust', 'main.rs'),
  java: { language: 'java', build: '*', command: (file) => ['java', file.replace(/\.java$/, '')] },
};

/** By the language's name, if it is given, or by the file's ending. Throws Failure `usage`. */
export function programKind(file: string, language: string | undefined): ProgramKind {
  const ending = /\.([A-Za-z]+)$/.exec(file)?.[1]?.toLowerCase() ?? '';
  const byEnding = KINDS[ending];
  if (language === undefined && byEnding !== undefined) return byEnding;
  const bare = language?.split(':', 1)[0];
  const byName = bare === undefined ? undefined : Object.values(KINDS).find((kind) => kind.language === bare);
  if (byName !== undefined) return { ...byName, language: language as string };
  const known = [...new Set(Object.values(KINDS).map((kind) => kind.language))].join(', ');
  const what = language === undefined ? `the name of ${file} says no language` : `${language} is not known`;
  throw new Failure('usage', `${what}; --language is one of ${known}`);
}
