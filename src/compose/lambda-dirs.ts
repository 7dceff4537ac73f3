/** Which directories of a registry are lambdas, as people who edit them see it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type LambdaName, parseLambdaName } from '../registry/source.ts';
import type { CallSink } from '../worker/call-record.ts';

const LAMBDA_FILE = 'lambda_func.py';

/** By name. */
export function lambdasIn(registryDir: string): LambdaName[] {
  if (!existsSync(registryDir)) return [];
  return readdirSync(registryDir)
    .flatMap((name) => parseLambdaName(name) ?? [])
    .filter((name) => isLambda(registryDir, name))
    .sort();
}

/** The watcher, who does not hear that directories which never were lambdas are none, and once that one has gone. */
export function lambdasOnly(watcher: CallSink, registryDir: string): CallSink {
  const known = new Set<LambdaName>();
  return {
    onCall: (record) => watcher.onCall(record),
    onStart: (start) => watcher.onStart?.(start),
    onOutput: (output) => watcher.onOutput?.(output),
    onLoad(record) {
      if (isLambda(registryDir, record.lambda)) known.add(record.lambda);
      if (known.has(record.lambda)) watcher.onLoad?.(record);
      if (record.errorType === 'Lambda.NotFound') known.delete(record.lambda);
    },
  };
}

/** `name` is a legal one. */
export function isLambda(registryDir: string, name: string): boolean {
  return existsSync(join(registryDir, name, LAMBDA_FILE));
}
