/** The packages of sessions: installed and kept as those of lambdas. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import { errnoOf } from '../lib/errno.ts';
import { declaredBy, declaredWith } from '../packages/declared.ts';
import type { Packages } from '../packages/packages.ts';
import type { LambdaFiles } from '../packages/requirement-lines.ts';
import type { SessionPackages } from '../session/session-table.ts';
import { packagesStateDir } from './packages.ts';

/** A session brings no files along. */
const NO_FILES: LambdaFiles = { text: () => undefined, in: () => [], has: () => false };

export function sessionPackages(settings: WorkerSettings, packages: Packages): SessionPackages {
  dropStale(packagesStateDir(settings.worker_dir));
  return {
    async obtain(session, requirements) {
      const declared = declaredOf(requirements, settings);
      if (declared === undefined) return undefined;
      if (packages.ready(session, declared) === undefined) await packages.obtain(session, declared, undefined);
      return packages.ready(session, declared);
    },
    forget: (session) => packages.forget(session),
  };
}

function declaredOf(requirements: string, { packages_allow, packages_build }: WorkerSettings) {
  const texts = { requirementsTxt: requirements, packagesTxt: undefined, handler: { file: '', text: '' } };
  try {
    const list = declaredBy(texts, { allow: packages_allow, builds: packages_build !== 'off', files: NO_FILES });
    return list && declaredWith(list, []);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure('session-invalid', error.message, { cause: error, problems: error.problems });
  }
}

/** Of sessions of a run that was killed. */
function dropStale(stateDir: string): void {
  let names: string[];
  try {
    names = readdirSync(stateDir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  for (const name of names) {
    if (name.startsWith(SESSION_PREFIX)) rmSync(join(stateDir, name), { force: true });
  }
}

const SESSION_PREFIX = '.session-';
