/**
 * What the API names and this gateway has not: shared folders, administration, images of registries, services. What
 * lists such things says that there are none; what is about one of them says so; what would make one is not implemented.
 */
import { json } from './answers.ts';
import { ApiProblem } from './api-problem.ts';
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
    return { method: 'GET', path: `/folders${path}`, majors: LATER_MAJORS, need, run: () => json(empty) };
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

function folderCalls(): Route[] {
  const at = (method: Route['method'], path: string, run: Route['run'], need: Need = 'key'): Route => {
    return { method, path: `/folders${path}`, majors: LATER_MAJORS, need, run };
  };
  const missing: Route['run'] = ({ names }) => {
    throw new ApiProblem('vfolder-not-found', undefined, { detail: `There is no folder ${names.name}.` });
  };
  return [
    at('POST', '', notImplemented),
    at('POST', '/_/shared', notImplemented),
    at('GET', '/_/download_with_token', notImplemented, 'nothing'),
    at('GET', '/_/fstab', notImplemented, 'superadmin'),
    ...(['GET', 'POST', 'DELETE'] as const).map((method) => at(method, '/_/mounts', notImplemented, 'superadmin')),
    at('POST', '/invitations/update/:name', notImplemented),
    at('POST', '/invitations/accept', notImplemented),
    at('DELETE', '/invitations/delete', notImplemented),
    at('GET', '/:name', missing),
    // Of this call alone that it is not there is a wrong parameter.
    at('DELETE', '/:name', ({ names }) => {
      throw invalidParams(`There is no folder ${names.name}`);
    }),
    at('DELETE', '/:name/delete_files', missing),
    ...['rename', 'mkdir', 'upload', 'invite', 'request_download'].map((call) => at('POST', `/:name/${call}`, missing)),
    ...['download', 'download_single', 'files'].map((call) => at('GET', `/:name/${call}`, missing)),
  ];
}

function administration(): Route[] {
  const later = (
    method: Route['method'],
    paths: readonly string[],
    { majors, need }: Pick<Route, 'majors' | 'need'>,
  ): Route[] => paths.map((path) => ({ method, path, majors, need, run: notImplemented }));
  const byRoot = (majors: readonly Major[]) => ({ majors, need: 'superadmin' }) as const;
  const usage = ['usage/month', 'usage/period', 'stats/admin/month', 'watcher'].map((path) => `/resource/${path}`);
  const watcher = ['start', 'stop', 'restart'].map((what) => `/resource/watcher/agent/${what}`);
  return [
    ...later('POST', ['/auth/signup'], { majors: MAJORS, need: 'nothing' }),
    ...later('POST', ['/auth/signout'], { majors: MAJORS, need: 'key' }),
    ...later('POST', ['/admin/graphql'], { majors: LATER_MAJORS, need: 'key' }),
    ...later('GET', ['/image/import', '/resource/stats/user/month'], { majors: [4], need: 'key' }),
    ...later('POST', ['/image/import'], { majors: [4], need: 'key' }),
    ...later('GET', usage, byRoot([4])),
    ...later('POST', watcher, byRoot([4])),
    ...later('POST', ['/config/get', '/config/set', '/config/delete'], byRoot([3, 4])),
    { method: 'GET', path: '/config/docker-registries', ...byRoot([3, 4]), run: () => json({}) },
  ];
}

/** The requests that do upgrade never come here. */
function plainStreams(): Route[] {
  const run: Route['run'] = () => {
    throw new ApiProblem('generic-bad-request', 'This is a WebSocket');
  };
  return ['execute', 'pty', 'httpproxy', 'tcpproxy'].map((kind) => {
    return { method: 'GET', path: `/stream/kernel/:token/${kind}`, majors: LATER_MAJORS, need: 'key', run } as const;
  });
}

function notImplemented(): never {
  throw new ApiProblem('not-implemented', undefined, {
    detail: 'This gateway has no such part; docs/gateway.md lists what it has.',
  });
}
