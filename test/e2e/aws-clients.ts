/** AWS's clients, unmodified, of a worker: boto3 and the command line. */
import { type Finished, run, succeeded } from './admin.ts';
import { BOTO_PYTHONS } from './programs.ts';
import { awsEnvironment } from './registry.ts';

/** The JSON value that the script prints; it finds the URLs of the workers that it asks in `sys.argv`. */
export async function runBoto<T>(script: string, urls: readonly string[], python = BOTO_PYTHONS[0] ?? ''): Promise<T> {
  const done = await run(python, ['-c', script, ...urls], { env: awsEnvironment() });
  return JSON.parse(succeeded(done, 'boto3').stdout) as T;
}

export interface AwsLambda {
  aws(...args: string[]): Promise<Finished>;
  /** What it prints as JSON; undefined if that is nothing. Throws unless it ends well. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  ok(...args: string[]): Promise<any>;
}

/** `aws lambda`, which asks the worker with that URL. */
export function awsLambda(url: () => string): AwsLambda {
  const aws = (...args: string[]) =>
    run('aws', ['--endpoint-url', url(), 'lambda', ...args], { env: awsEnvironment() });
  return {
    aws,
    ok: async (...args) => {
      const { stdout } = succeeded(await aws(...args), `aws lambda ${args[0]}`);
      return stdout === '' ? undefined : JSON.parse(stdout);
    },
  };
}
