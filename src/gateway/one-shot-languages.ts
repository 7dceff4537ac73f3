/**
 * Where the source of a one-shot call is put, and how it is run with arguments and input; without those, the language's
 * own way is taken. Ids are those of session/language-table.ts.
 */

export interface OneShotLanguage {
  file: string;
  exec: string;
  /** It is turned into a program first. */
  builds?: true;
}

export const ONE_SHOT_LANGUAGES: Readonly<Record<string, OneShotLanguage>> = {
  python: { file: 'main.py', exec: 'python3 main.py' },
  nodejs: { file: 'main.js', exec: 'node main.js' },
  bash: { file: 'main.sh', exec: 'bash main.sh' },
  c: { file: 'main.c', exec: './main', builds: true },
  cpp: { file: 'main.cpp', exec: './main', builds: true },
  golang: { file: 'main.go', exec: './main', builds: true },
  rust: { file: 'main.rs', exec: './main', builds: true },
  java: { file: 'Main.java', exec: 'java Main', builds: true },
  r: { file: 'main.R', exec: 'Rscript --vanilla main.R' },
  ruby: { file: 'main.rb', exec: 'ruby main.rb' },
  php: { file: 'main.php', exec: 'php main.php' },
  lua: { file: 'main.lua', exec: 'lua main.lua' },
  perl: { file: 'main.pl', exec: 'perl main.pl' },
};
