/** Calls of a lambda whose events have a process each, beside those of one that keeps its instance, by turns. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection, postRequest } from './load.mjs';
import { summary } from './stats.mjs';

const EVENT = '{"name": "Alice"}';
const ANSWER = '"Hello, Alice!"';
const CODE = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';

/** `gapMs` lies before each call: the instances are paused by then, and the next one waits. */
export async function isolatedRuns({ port, registry, gapMs, count }) {
  const lambdas = { instance: 'not-isolated', call: 'isolated' };
  for (const [isolation, name] of Object.entries(lambdas)) {
    mkdirSync(join(registry, name));
    writeFileSync(join(registry, name, 'lambda_func.py'), CODE);
    writeFileSync(join(registry, name, 'lambda.json'), JSON.stringify({ isolation }));
  }
  const connection = await Connection.open(port);
  const times = { instance: [], call: [] };
  for (let turn = -1; turn < count; turn += 1) {
    for (const [isolation, name] of Object.entries(lambdas)) {
      await new Promise((done) => setTimeout(done, gapMs));
      const answer = await connection.send(postRequest({ port, path: `/runLambda/${name}`, body: EVENT }));
      if (answer.status !== 200 || answer.body !== ANSWER) throw new Error(`${name}: ${answer.status} ${answer.body}`);
      if (turn >= 0) times[isolation].push(answer.ms); // the first finds no instance
    }
  }
  connection.close();
  return { instance: summary(times.instance), call: summary(times.call) };
}
