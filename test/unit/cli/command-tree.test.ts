/** What holds of every command that there is: a new one can not forget it. */
import { Command, type Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../../../src/cli/catalogue.ts';
import { complete, NAMEABLE, nameableOf } from '../../../src/cli/completion.ts';
import { NAMED_THINGS, NamedArgument } from '../../../src/cli/named-argument.ts';
import { rootCommand } from '../../../src/cli/root-command.ts';

/** Those that print no facts, and what they print instead. */
const WITHOUT_JSON: Readonly<Record<string, string>> = {
  'worker-exec': 'its log, which is JSON already',
  'registry-exec': 'its log, which is JSON already',
  'gateway-exec': 'its log, which is JSON already',
  run: 'what the program prints',
  completion: 'a script',
};

/** Arguments that are words of one's own: nobody knows what comes there. */
const OWN_WORDS: ReadonlySet<string> = new Set([
  'setconf json',
  'invoke event',
  'bench event',
  'run arguments',
  'secrets none',
]);

/** What flags take that is a number, an address or a word of one's own, by what the help calls it. */
const OWN_VALUES: ReadonlySet<string> = new Set(
  'address count fd image key language mb name name=value num port secret seconds url version when'.split(' '),
);

async function shaped(name: string): Promise<Command> {
  const entry = CATALOGUE.find((one) => one.name === name);
  const command = new Command(name);
  (await entry?.load())?.shape(command);
  return command;
}

describe.each(CATALOGUE.map(({ name }) => name))('admin %s', (name) => {
  test('prints its facts as JSON if it is asked to, or has none', async () => {
    const { options } = await shaped(name);
    const hasJson = options.some(({ long }) => long === '--json');
    expect(hasJson, WITHOUT_JSON[name]).toBe(WITHOUT_JSON[name] === undefined);
  });

  test('says of each argument what may stand there', async () => {
    for (const argument of (await shaped(name)).registeredArguments) {
      const isKnown =
        argument.argChoices !== undefined || argument instanceof NamedArgument || NAMEABLE.has(argument.name());
      expect(isKnown || OWN_WORDS.has(`${name} ${argument.name()}`), argument.name()).toBe(true);
    }
  });

  test('says of each flag what it takes', async () => {
    const takes = ({ flags }: Option) => /[<[]([^>\]]+)/.exec(flags)?.[1] ?? '';
    for (const option of (await shaped(name)).options.filter(
      ({ required, optional, hidden }) => (required || optional) && !hidden,
    )) {
      const isKnown = option.argChoices !== undefined || nameableOf(option) !== 'free' || OWN_VALUES.has(takes(option));
      expect(isKnown, option.flags).toBe(true);
    }
  });

  test('completes its own name, its flags and its actions', async () => {
    const root = rootCommand(CALLER);
    const offered = async (...words: string[]) =>
      (await complete(words, { root, names: async () => [] })).words.map(({ value }) => value);
    expect(await offered(name)).toContain(name);
    const command = await shaped(name);
    const flags = await offered(name, '--');
    for (const { long, hidden } of command.options) expect(flags.includes(long ?? ''), long).toBe(!hidden);
    const [first] = command.registeredArguments;
    if (first?.argChoices !== undefined) expect(await offered(name, '')).toEqual(first.argChoices);
  });
});

const CALLER = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: {},
  cwd: '/',
  program: { node: process.execPath, main: '/' },
  onSignal: () => () => {},
};

describe('a name is completed by what is there', () => {
  test.each([
    ['session run', 'session'],
    ['session rm a', 'session'],
    ['session upload a', 'files'],
    ['session start', 'nothing'],
    ['session fork a', 'nothing'],
    ['secrets rm', 'secret'],
    ['secrets grant key --lambda', 'lambda'],
    ['calls list', 'lambda'],
    ['calls show', 'kept-call'],
    ['calls replay', 'kept-call'],
    ['async show', 'async-call'],
    ['async list', 'nothing'],
    ['lambdas rollback hello', 'version'],
    ['lambdas show', 'lambda'],
    ['invoke', 'lambda'],
    ['packages install a b', 'lambda'],
    ['upload --handler', 'lambda'],
    ['upload --file', 'files'],
    ['run', 'files'],
    ['status --cluster', 'directories'],
  ])('admin %s: %s', async (typed, expected) => {
    const asked: unknown[] = [];
    const { paths, words } = await complete([...typed.split(' '), ''], {
      root: rootCommand(CALLER),
      names: async (thing, line) => {
        asked.push([thing, line.flags.cluster]);
        return [{ value: `a-${thing}`, about: '' }];
      },
    });
    const isThing = (NAMED_THINGS as readonly string[]).includes(expected);
    expect(asked).toEqual(isThing ? [[expected, undefined]] : []);
    expect(words.map(({ value }) => value)).toEqual(isThing ? [`a-${expected}`] : []);
    expect(paths).toBe(expected === 'files' || expected === 'directories' ? expected : 'none');
  });

  test('of the cluster and by the flags that stand on the line', async () => {
    const lines: unknown[] = [];
    await complete(['session', '--cluster=farm', 'info', '--endpoint', 'http://x', 'wo'], {
      root: rootCommand(CALLER),
      names: async (thing, { flags, args }) => {
        lines.push({ thing, flags: { ...flags }, args: [...args] });
        return [];
      },
    });
    expect(lines).toEqual([{ thing: 'session', flags: { cluster: 'farm', endpoint: 'http://x' }, args: ['info'] }]);
  });
});
