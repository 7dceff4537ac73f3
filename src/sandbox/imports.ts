/** What zygotes and sandboxes say of their imports. Package code has run there: every byte may be a lie. */
import type { Imports, LoadedPackages } from './sandbox.ts';

const NAMES_MAX = 1_000;
const NAME_CHARACTERS_MAX = 200;
/** No zygote has longer to import. Whoever says more would have his packages come before all others'. */
const US_MAX = 60_000_000;
const BYTES_MAX = 2 ** 50;

/** What is not as it should be is taken for whatever lets the fewest start from there. */
export function parseImports(said: unknown): Imports {
  const { took_us, modules, vain, environ } = objectOf(said);
  const took = Object.entries(objectOf(took_us)).slice(0, NAMES_MAX);
  return {
    tookUs: new Map(took.map(([module, us]) => [module, numberOf(us, US_MAX)])),
    units: namesOf(modules) ?? [],
    vain: namesOf(vain) ?? ['*'],
    environ: namesOf(environ) ?? ['*'],
  };
}

/** Undefined if it is none. */
export function parseLoaded(said: unknown): LoadedPackages | undefined {
  const { asked, units, environ, grown_kb } = objectOf(said);
  const [names, changed] = [namesOf(units), namesOf(environ)];
  if (names === undefined || changed === undefined || !Array.isArray(asked)) return undefined;
  const found = asked.slice(0, NAMES_MAX).flatMap((one) => {
    const [module, us] = Array.isArray(one) ? one : [];
    return isName(module) ? [{ module, us: numberOf(us, US_MAX) }] : [];
  });
  return { asked: found, units: names, environ: changed, grownBytes: numberOf(grown_kb, BYTES_MAX / 1024) * 1024 };
}

function objectOf(said: unknown): Record<string, unknown> {
  return typeof said === 'object' && said !== null && !Array.isArray(said) ? (said as Record<string, unknown>) : {};
}

function namesOf(said: unknown): string[] | undefined {
  return Array.isArray(said) && said.length <= NAMES_MAX && said.every(isName) ? said : undefined;
}

function isName(said: unknown): said is string {
  return typeof said === 'string' && said.length > 0 && said.length <= NAME_CHARACTERS_MAX;
}

function numberOf(said: unknown, max: number): number {
  return typeof said === 'number' && Number.isFinite(said) ? Math.min(Math.max(said, 0), max) : 0;
}
