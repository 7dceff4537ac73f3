/**
 * What of this machine's configuration pip is to see: its own variables and files, and those that say how to
 * reach the network. Nothing else of the worker's environment.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';

const KEPT =
  /^(PATH|TMPDIR|LANG|LC_[A-Z]+|PIP_[A-Z0-9_]+|https?_proxy|no_proxy|all_proxy|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)$/i;
/** What a user of pip has set for himself, which would make it do something else here. */
const DROPPED =
  /^PIP_(CONFIG_FILE|TARGET|PREFIX|ROOT|USER|DEST|REQUIREMENT|REPORT|LOG|CACHE_DIR|PYTHON|PLATFORM|PYTHON_VERSION|IMPLEMENTATION|ABI|DRY_RUN|EDITABLE|NO_BINARY|ONLY_BINARY)$/;
/** Where pip looks for its user's file. The user that it runs as has none, and can not read these. */
const USER_FILE = '.config/pip/pip.conf';
const LEGACY_FILE = '.pip/pip.conf';
/** Names and passwords for indexes, as curl and pip have them. */
const NETRC = '.netrc';

/** Said in PIP_CONFIG_FILE, it means that pip is to read no file at all. */
const NO_FILES = '/dev/null';

export interface PipSettings {
  env: Record<string, string>;
  /** Texts by their path below pip's home directory. */
  files: Record<string, string>;
}

/** `mirror` is the setting `pip_mirror`. */
export function pipSettings(env: NodeJS.ProcessEnv, mirror: string): PipSettings {
  const kept = Object.entries(env).filter((entry): entry is [string, string] => {
    const [name, value] = entry;
    return value !== undefined && KEPT.test(name) && !DROPPED.test(name);
  });
  const home = given(env.HOME) ?? homedir();
  const places = {
    [USER_FILE]: join(given(env.XDG_CONFIG_HOME) ?? join(home, '.config'), 'pip/pip.conf'),
    [LEGACY_FILE]: join(home, LEGACY_FILE),
    [NETRC]: given(env.NETRC) ?? join(home, NETRC),
  };
  const files = Object.fromEntries(
    Object.entries(places).flatMap(([path, place]) => {
      const text = textOf(place);
      return text === undefined ? [] : [[path, text]];
    }),
  );
  const own = env.PIP_CONFIG_FILE;
  if (own !== undefined && own !== '' && own !== NO_FILES) files[USER_FILE] = textOf(own) ?? '';
  const settings: Record<string, string> = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', ...Object.fromEntries(kept) };
  if (own === NO_FILES) settings.PIP_CONFIG_FILE = NO_FILES;
  if (mirror !== '') settings.PIP_INDEX_URL = mirror;
  return { env: settings, files };
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Undefined if there is none, or it is not for this user. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'EACCES' || errno === 'ENOTDIR' || errno === 'EISDIR') return undefined;
    throw error;
  }
}
