/**
 * Calls of lambdas whose events have a process each, one of them with an import of a tenth of a second, beside those of one
 * that keeps its instance, by turns.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection, postRequest } from './load.mjs';
import { summary } from './stats.mjs';

const EVENT = '{"name": "Alice"}';
const ANSWER = '"Hello, Alice!"';
const CODE = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';

/** What takes so long is computing, not waiting: a fork that had to do it again would show. */
const SLOW_IMPORT = `import time\n\nuntil = time.process_time() + 0.1\nwhile time.process_time() < until:\n    pass\n\n\n`;
/** Until the loader is there, which an instance that has imported the code has to ask for. */
const FIRST_TURNS = 10;

/** `gapMs` lies before each call: the instances are paused by then, and the next one waits. */
export async function isolatedRuns({ port, registry, gapMs, count }) {
  const lambdas = {
    instance: { name: 'not-isolated', isolation: 'instance', code: CODE },
    call: { name: 'isolated', isolation: 'call', code: CODE },
    slowImport: { name: 'isolated-slow-import', isolation: 'call', code: SLOW_IMPORT + CODE },
  };
  for (const { name, isolation, code } of Object.values(lambdas)) {
    mkdirSync(join(registry, name));
    writeFileSync(join(registry, name, 'lambda_func.py'), code);
    writeFileSync(join(registry, name, 'lambda.json'), JSON.stringify({ isolation }));
  }
  const connection = await Connection.open(port);
  const times = { instance: [], call: [], slowImport: [] };
  for (let turn = -FIRST_TURNS; turn < count; turn += 1) {
    for (const [kind, { name }] of Object.entries(lambdas)) {
      await new Promise((done) => setTimeout(done, gapMs));
      const answer = await connection.send(postRequest({ port, path: `/runLambda/${name}`, body: EVENT }));
      if (answer.status !== 200 || answer.body !== ANSWER) throw new Error(`${name}: ${answer.status} ${answer.body}`);
      if (turn >= 0) times[kind].push(answer.ms);
    }
  }
  connection.close();
  return Object.fromEntries(Object.entries(times).map(([kind, all]) => [kind, summary(all)]));
}
