/** Which directories of a registry are lambdas, as people who edit them see it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAMBDA_FILE } from '../config/lambda-spec.ts';
import { mayBeLambda } from '../registry/handler-files.ts';
import { type LambdaName, parseLambdaName } from '../registry/source.ts';
import type { CallSink } from '../worker/call-record.ts';

/** By name. */
export function lambdasIn(registryDir: string): LambdaName[] {
  if (!existsSync(registryDir)) return [];
  return readdirSync(registryDir)
    .flatMap((name) => parseLambdaName(name) ?? [])
    .filter((name) => isLambda(registryDir, name))
    .sort();
}

/** Those that speak of schedules in their `lambda.json`; whether they do so rightly is for others to say. */
export function scheduledIn(registryDir: string): LambdaName[] {
  if (!existsSync(registryDir)) return [];
  return readdirSync(registryDir).flatMap((name) => {
    const lambda = parseLambdaName(name);
    return lambda !== undefined && speaksOfSchedules(join(registryDir, name, LAMBDA_FILE)) ? lambda : [];
  });
}

function speaksOfSchedules(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').includes('"schedules"');
  } catch {
    // There is none, or none that can be read: then it can not be run either, and its callers are told why.
    return false;
  }
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
  return isLambdaDirectory(join(registryDir, name));
}

/** Whether a directory holds the code of a lambda. */
export function isLambdaDirectory(path: string): boolean {
  return mayBeLambda((file) => existsSync(join(path, file)));
}
