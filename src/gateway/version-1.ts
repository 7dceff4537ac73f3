import type { ExecuteResult } from '../session/host.ts';

/** A result as the first version of the API has it: streams by themselves instead of a console. */
export function asVersion1(result: ExecuteResult): object {
  const { console: items, ...rest } = result;
  const of = (type: string) => items.filter(([one]) => one === type).map(([, said]) => said);
  return {
    ...rest,
    stdout: of('stdout').join(''),
    stderr: of('stderr').join(''),
    media: of('media'),
    html: of('html'),
  };
}
