/**
 * The languages of kernels, as data: what each goes by, which programs it takes and where those may be, and what is run.
 * Which of them a base has is languages.ts's question; what the words become is runtime/kernel/'s.
 *
 * In commands `{name}` is the path of a tool; `{dir}` the directory that a cell has to itself; `{files}` and `{objects}`, as
 * whole words, what a rule's `files` has found and what `each` makes of it, one `{file}` to one `{object}`.
 */

/** Of a batch's stage; the first rule whose `needs` is there is used. */
export interface Rule {
  /** A name in the working directory. */
  readonly needs: string;
  /** `*.c`; with two stars and a slash before it for those in directories below too. */
  readonly files?: string;
  /** Run for each of the files, one by one. */
  readonly each?: readonly string[];
  /** Run after that, one by one. */
  readonly run: readonly (readonly string[])[];
}

export interface Language {
  readonly id: string;
  /** Without versions: those are cut off. */
  readonly aliases: readonly string[];
  /** Absolute paths inside the base, where a `*` stands for any part of one name; the first that is there is used. */
  readonly tools: Readonly<Record<string, readonly string[]>>;
  /** What a tool needs beside itself, relative to where its path leads really. */
  readonly beside?: Readonly<Record<string, string>>;
  /** The tool whose real path has the version in it, and where. */
  readonly version?: readonly [tool: string, pattern: RegExp];
  /** How a cell is run; a language without it has a kernel of its own in runtime/kernel/. */
  readonly query?: Query;
  readonly batch: Batch;
  /** For programs of cells and batches. */
  readonly env?: Readonly<Record<string, string>>;
  /** Programs written in it buffer what they print, as C's library does when there is no terminal. */
  readonly buffers?: boolean;
}

export interface Query {
  readonly file: string;
  readonly build: readonly (readonly string[])[];
  readonly exec: readonly string[];
}

/** A stage without rules is skipped; an exec without rules, or a build whose rules do not fit, fails. */
export interface Batch {
  readonly clean?: readonly Rule[];
  readonly build?: readonly Rule[];
  readonly exec?: readonly Rule[];
}

const BIN = ['/usr/local/bin', '/usr/bin', '/bin'];
const inBin = (...names: string[]) => names.flatMap((name) => BIN.map((dir) => `${dir}/${name}`));

const MAKE: Rule = { needs: 'Makefile', run: [['make']] };
const MAKE_CLEAN: Rule = { needs: 'Makefile', run: [['make', 'clean']] };
/** Of what is run as it is. */
const NOTHING_TO_BUILD: Rule = { needs: '.', run: [] };
const RUN_MAIN: Rule = { needs: 'main', run: [['./main']] };
const RUN_A_OUT: Rule = { needs: 'a.out', run: [['./a.out']] };

/** A language whose programs are run as they are. */
const script = (file: string, ...command: string[]): Pick<Language, 'query' | 'batch'> => ({
  query: { file, build: [], exec: [...command, `{dir}/${file}`] },
  batch: { build: [MAKE, NOTHING_TO_BUILD], exec: [{ needs: file, run: [[...command, `./${file}`]] }] },
});

const compiled = (file: string, ending: string, compiler: string, ...libraries: string[]): Batch => ({
  clean: [MAKE_CLEAN],
  build: [
    MAKE,
    {
      needs: file,
      files: `**/*.${ending}`,
      each: [compiler, '-c', '{file}', '-o', '{object}'],
      run: [[compiler, '{objects}', '-o', 'main', ...libraries]],
    },
  ],
  exec: [RUN_MAIN, RUN_A_OUT],
});

const JVM = [
  '/opt/java/openjdk/bin',
  '/usr/lib/jvm/default-java/bin',
  '/usr/lib/jvm/*/bin',
  '/usr/local/openjdk-*/bin',
];
const inJvm = (name: string) => [...inBin(name), ...JVM.map((dir) => `${dir}/${name}`)];

export const LANGUAGES: readonly Language[] = [
  {
    id: 'python',
    aliases: ['py', 'cpython'],
    tools: { python: inBin('python3') },
    env: { PYTHONUNBUFFERED: '1' },
    batch: {
      build: [MAKE, { needs: 'setup.py', run: [['{python}', '-m', 'pip', 'install', '-e', '.']] }, NOTHING_TO_BUILD],
      exec: [{ needs: 'main.py', run: [['{python}', 'main.py']] }],
    },
  },
  {
    id: 'nodejs',
    aliases: ['node', 'javascript', 'js'],
    tools: { node: [] },
    batch: {
      build: [MAKE, NOTHING_TO_BUILD],
      exec: ['main.js', 'main.mjs'].map((file) => ({ needs: file, run: [['{node}', file]] })),
    },
  },
  {
    id: 'bash',
    aliases: ['sh', 'shell'],
    tools: { bash: inBin('bash') },
    batch: {
      clean: [MAKE_CLEAN],
      build: [MAKE, NOTHING_TO_BUILD],
      exec: [{ needs: 'main.sh', run: [['{bash}', 'main.sh']] }, RUN_MAIN],
    },
  },
  {
    id: 'c',
    aliases: ['gcc'],
    tools: { gcc: inBin('gcc'), as: inBin('as'), ld: inBin('ld'), header: ['/usr/include/stdio.h'] },
    version: ['gcc', /-(\d+(?:\.\d+)*)$/],
    buffers: true,
    query: {
      file: 'main.c',
      build: [['{gcc}', '-o', 'main', 'main.c', '-I/home/work', '-lm', '-pthread']],
      exec: ['{dir}/main'],
    },
    batch: compiled('main.c', 'c', '{gcc}', '-lm', '-pthread'),
  },
  {
    id: 'cpp',
    aliases: ['c++', 'g++', 'cplusplus'],
    tools: { 'g++': inBin('g++'), as: inBin('as'), ld: inBin('ld'), header: ['/usr/include/c++/*/iostream'] },
    version: ['g++', /-(\d+(?:\.\d+)*)$/],
    buffers: true,
    query: {
      file: 'main.cpp',
      build: [['{g++}', '-o', 'main', 'main.cpp', '-I/home/work', '-pthread']],
      exec: ['{dir}/main'],
    },
    batch: compiled('main.cpp', 'cpp', '{g++}', '-pthread'),
  },
  {
    id: 'golang',
    aliases: ['go'],
    tools: { go: ['/usr/local/go/bin/go', '/usr/lib/go/bin/go', ...inBin('go')] },
    version: ['go', /\/go-(\d+(?:\.\d+)*)\//],
    env: { GOTOOLCHAIN: 'local', GOCACHE: '/host/.cache/go-build', GOPATH: '/host/.cache/go', CGO_ENABLED: '0' },
    query: { file: 'main.go', build: [['{go}', 'build', '-o', 'main', 'main.go']], exec: ['{dir}/main'] },
    batch: {
      clean: [MAKE_CLEAN],
      build: [
        MAKE,
        { needs: 'go.mod', run: [['{go}', 'build', '-o', 'main', '.']] },
        { needs: 'main.go', files: '*.go', run: [['{go}', 'build', '-o', 'main', '{files}']] },
      ],
      exec: [RUN_MAIN],
    },
  },
  {
    id: 'rust',
    aliases: ['rs', 'rustc'],
    tools: { rustc: ['/usr/local/cargo/bin/rustc', ...inBin('rustc')], cc: inBin('cc', 'gcc'), ld: inBin('ld') },
    query: {
      file: 'main.rs',
      build: [['{rustc}', '--edition', '2021', '-C', 'linker={cc}', '-o', 'main', 'main.rs']],
      exec: ['{dir}/main'],
    },
    batch: {
      clean: [MAKE_CLEAN],
      build: [
        MAKE,
        { needs: 'Cargo.toml', run: [['cargo', 'build']] },
        { needs: 'main.rs', run: [['{rustc}', '--edition', '2021', '-C', 'linker={cc}', '-o', 'main', 'main.rs']] },
      ],
      exec: [{ needs: 'Cargo.toml', run: [['cargo', 'run', '--quiet']] }, RUN_MAIN],
    },
  },
  {
    id: 'java',
    aliases: ['jdk', 'openjdk'],
    tools: { java: inJvm('java'), javac: inJvm('javac') },
    // Debian keeps it in /etc.
    beside: { java: '../lib/jvm.cfg' },
    version: ['java', /(?:java|openjdk|temurin|jdk)-(\d+(?:\.\d+)*)/],
    // A file with one public class may have any name this way.
    query: {
      file: 'Main.java',
      build: [],
      exec: ['{java}', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '{dir}/Main.java'],
    },
    batch: {
      clean: [MAKE_CLEAN],
      build: [
        MAKE,
        ...['main', 'Main.java', 'main.java'].map((needs) => ({
          needs,
          files: '**/*.java',
          run: [['{javac}', '{files}']],
        })),
      ],
      exec: [
        { needs: 'main/Main.class', run: [['{java}', 'main.Main']] },
        { needs: 'Main.class', run: [['{java}', 'Main']] },
        { needs: 'main.class', run: [['{java}', 'main']] },
      ],
    },
  },
  {
    id: 'r',
    aliases: ['rscript', 'r-base'],
    tools: { Rscript: inBin('Rscript'), R: ['/usr/lib/R/bin/exec/R', '/usr/local/lib/R/bin/exec/R'] },
    buffers: true,
    ...script('main.R', '{Rscript}', '--vanilla'),
  },
  {
    id: 'ruby',
    aliases: ['rb'],
    tools: { ruby: inBin('ruby') },
    version: ['ruby', /ruby(\d+(?:\.\d+)*)$/],
    // What is printed is to be seen at once, prompts above all.
    ...script('main.rb', '{ruby}', '-e', '$stdout.sync = true; $0 = ARGV.shift; load $0'),
  },
  {
    id: 'php',
    aliases: ['php-cli'],
    tools: { php: inBin('php', 'php8.4', 'php8.3', 'php8.2', 'php8.1', 'php7.4') },
    version: ['php', /php(\d+(?:\.\d+)*)$/],
    ...script('main.php', '{php}', '-d', 'display_errors=stderr'),
  },
  {
    id: 'lua',
    aliases: [],
    tools: { lua: inBin('lua', 'lua5.4', 'lua5.3', 'lua5.2', 'lua5.1', 'luajit') },
    version: ['lua', /lua(\d+(?:\.\d+)*)$/],
    buffers: true,
    ...script('main.lua', '{lua}'),
  },
  {
    id: 'perl',
    aliases: ['pl'],
    tools: { perl: inBin('perl') },
    ...script('main.pl', '{perl}', '-e', '$| = 1; $0 = shift; $@ = ""; do $0; die $@ if $@ ne ""'),
  },
];

/** GNU's own way to make programs print at once that were not written for it: a library to be loaded before others. */
export const UNBUFFERING: readonly string[] = [
  '/usr/libexec/coreutils/libstdbuf.so',
  '/usr/lib/coreutils/libstdbuf.so',
  '/usr/lib/*/coreutils/libstdbuf.so',
];
