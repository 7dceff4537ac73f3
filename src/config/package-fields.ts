/** The settings that are about packages. */
import type { Field } from './field.ts';
import { SETTING_BOUNDS } from './limits.ts';
import { PACKAGE_BUILDS, PACKAGE_LIBERTIES, PACKAGE_RESOLVERS, type Settings } from './settings.ts';

export const PACKAGE_FIELDS: { readonly [K in keyof Settings & (`packages_${string}` | 'pip_mirror')]: Field } = {
  packages_dir: { kind: 'directory', initial: 'packages', about: 'directory of installed Python packages' },
  pip_mirror: {
    kind: 'url',
    initial: '',
    about: "index that pip asks first; empty for what pip's own configuration says",
  },
  packages_resolver: {
    kind: 'choice',
    choices: PACKAGE_RESOLVERS,
    initial: 'pip',
    about: 'who chooses the versions of packages, which pip then fetches',
  },
  packages_allow: {
    kind: 'choices',
    choices: PACKAGE_LIBERTIES,
    initial: [],
    about: "what a lambda's list of packages may say besides names and versions: options of pip, addresses, paths",
  },
  packages_build: {
    kind: 'choice',
    choices: PACKAGE_BUILDS,
    initial: 'off',
    about: 'whether packages without a wheel are built in a sandbox as large as limits_max, without or with a network',
  },
  packages_wait_ms: {
    kind: 'integer',
    bound: SETTING_BOUNDS.packages_wait_ms,
    initial: 25_000,
    about:
      'longest wait of a call until the packages of its lambda are installed; then 503, and the installation goes on',
  },
};
