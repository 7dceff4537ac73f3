/** Lambdas for Node, and what became of their calls. */
import type { Reply, Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Asked, ask, type Bench } from './engine-fixture.ts';

/** Runs the event as the body of an asynchronous function, with the modules at hand that probes need. */
export const NODE_PROBE = `
import * as child from 'node:child_process';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import * as threads from 'node:worker_threads';
const modules = { child, fs, net, os, delay, threads };
const attempt = (what) => { try { what(); return 'allowed'; } catch (error) { return error.code ?? error.name; } };
export const handler = async (source) => {
  const body = new Function('attempt', ...Object.keys(modules), 'return (async () => {' + source + '})()');
  try { return await body(attempt, ...Object.values(modules)); } catch (error) { return error.code ?? error.stack; }
};
`;

/** A sandbox that runs these files, or this text as its lambda_func.mjs. */
export function nodeSandbox(
  bench: Bench,
  files: string | Record<string, string>,
  { file = 'lambda_func.mjs', ...asked }: Asked & { file?: string } = {},
): Promise<Sandbox> {
  const named = typeof files === 'string' ? { [file]: files } : files;
  return bench.sandbox(named, 'node', { node: { file, function: 'handler' }, ...asked });
}

/** What a call has come to, without the time that it took. */
export async function told(sandbox: Sandbox, event: unknown = {}): Promise<[Reply['kind'], unknown]> {
  const reply = await ask(sandbox, event);
  return [reply.kind, reply.kind === 'ended' ? reply.ending : JSON.parse(reply.body.toString())];
}
