/**
 * What the API names and this gateway has not: shared folders, administration, images of registries, services. What
 * lists such things says that there are none; what is about one of them says so; what would make one is not implemented.
 */
import { json } from './answers.ts';
import { ApiProblem, type Slug } from './api-problem.ts';
import { MAJORS, type Major } from './api-version.ts';
import { invalidParams } from './params.ts';
import type { Route } from './route.ts';

type Need = Route['need'];

const LATER_MAJORS: readonly Major[] = [2, 3, 4];

export function absentRoutes(): Route[] {
  return [...folderLists(), ...folderCalls(), ...administration(), ...plainStreams()];
}

/** The first matches: `_` is no name of a folder. */
function folderLists(): Route[] {
  const list = (path: string, empty: unknown, need: Need = 'key'): Route => {
    const answers = `200 \`${JSON.stringify(empty)}\``;
    return { method: 'GET', path: `/folders${path}`, majors: LATER_MAJORS, need, answers, run: () => json(empty) };
  };
  return [
    list('', []),
    list('/_/hosts', { default: null, allowed: [] }),
    list('/_/all_hosts', { default: null, allowed: [] }, 'superadmin'),
    list('/_/allowed_types', []),
    list('/_/shared', { shared: [] }),
    list('/invitations/list', { invitations: [] }),
    list('/invitations/list_sent', { invitations: [] }),
  ];
}

/** Some of one kind. */
interface Calls {
  paths: readonly [string, ...string[]];
  majors?: readonly Major[];
  need?: Need;
}

function absent(method: Route['method'], calls: Calls, error: Slug, run: Route['run']): Route {
  const { paths, majors = LATER_MAJORS, need = 'key' } = calls;
  const [path, ...also] = paths;
  return { method, path, also, majors, need, answers: 'nothing', errors: [error], run };
}

function later(method: Route['method'], calls: Calls): Route {
  return absent(method, calls, 'not-implemented', notImplemented);
}

function folderCalls(): Route[] {
  const missing = (method: Route['method'], calls: readonly string[]): Route => {
    const paths = calls.map((call) => `/folders/:name${call}`) as [string, ...string[]];
    return absent(method, { paths }, 'vfolder-not-found', ({ names }) => {
      throw new ApiProblem('vfolder-not-found', undefined, { detail: `There is no folder ${names.name}.` });
    });
  };
  return [
    later('POST', { paths: ['/folders', '/folders/_/shared'] }),
    later('GET', { paths: ['/folders/_/download_with_token'], need: 'nothing' }),
    later('GET', { paths: ['/folders/_/fstab'], need: 'superadmin' }),
    later(['GET', 'POST', 'DELETE'], { paths: ['/folders/_/mounts'], need: 'superadmin' }),
    later('POST', { paths: ['/folders/invitations/update/:name', '/folders/invitations/accept'] }),
    later('DELETE', { paths: ['/folders/invitations/delete'] }),
    missing('GET', ['', '/download', '/download_single', '/files']),
    // Of this call alone that it is not there is a wrong parameter.
    absent('DELETE', { paths: ['/folders/:name'] }, 'invalid-api-params', ({ names }) => {
      throw invalidParams(`There is no folder ${names.name}`);
    }),
    missing('DELETE', ['/delete_files']),
    missing('POST', ['/rename', '/mkdir', '/upload', '/invite', '/request_download']),
  ];
}

function administration(): Route[] {
  const byRoot = { majors: [4], need: 'superadmin' } as const;
  const inConfig = { majors: [3, 4], need: 'superadmin' } as const;
  return [
    later('POST', { paths: ['/auth/signup'], majors: MAJORS, need: 'nothing' }),
    later('POST', { paths: ['/auth/signout'], majors: MAJORS }),
    later('POST', { paths: ['/admin/graphql'] }),
    later('GET', { paths: ['/image/import', '/resource/stats/user/month'], majors: [4] }),
    later('POST', { paths: ['/image/import'], majors: [4] }),
    later('GET', {
      paths: ['/resource/usage/month', '/resource/usage/period', '/resource/stats/admin/month', '/resource/watcher'],
      ...byRoot,
    }),
    later('POST', {
      paths: ['/resource/watcher/agent/start', '/resource/watcher/agent/stop', '/resource/watcher/agent/restart'],
      ...byRoot,
    }),
    later('POST', { paths: ['/config/get', '/config/set', '/config/delete'], ...inConfig }),
    { method: 'GET', path: '/config/docker-registries', ...inConfig, answers: '200 `{}`', run: () => json({}) },
  ];
}

/** The requests that do upgrade never come here. */
function plainStreams(): Route[] {
  const run: Route['run'] = () => {
    throw new ApiProblem('generic-bad-request', 'This is a WebSocket');
  };
  const paths = ['execute', 'pty', 'httpproxy', 'tcpproxy'].map((kind) => `/stream/kernel/:token/${kind}`);
  return [absent('GET', { paths: paths as [string, ...string[]] }, 'generic-bad-request', run)];
}

function notImplemented(): never {
  throw new ApiProblem('not-implemented', undefined, {
    detail: 'This gateway has no such part; docs/reference/http.md lists what it has.',
  });
}
