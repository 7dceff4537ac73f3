/** `/kernel/:token/...`: files go into a session's `/home/work`, and out of it. */
import { posix } from 'node:path';
import { bytes, json, noContent } from './answers.ts';
import type { ApiCall } from './api-call.ts';
import { MAJORS } from './api-version.ts';
import { ownerKeyOf, ownerOf } from './authentication.ts';
import { checkToken } from './create-params.ts';
import { BODY_BYTES_MAX, DOWNLOAD_FILES_MAX, FILE_BYTES_MAX, UPLOAD_FILES_MAX } from './limits.ts';
import { readForm, writeMixed } from './multipart.ts';
import { invalidParams } from './params.ts';
import type { Route } from './route.ts';
import { type Addressed, addressed, type SessionRouteOptions } from './session-routes.ts';

const HOME = '/home/work';
const TAR = 'application/x-tar';

export function fileRoutes(options: SessionRouteOptions): Route[] {
  const key = { majors: MAJORS, need: 'key' } as const;
  const on = (run: (addressed: Addressed) => Promise<Response>) => async (call: ApiCall) =>
    run(await addressed(call, options));
  const finds = ['kernel-not-found', 'instance-not-available'] as const;
  const opens = ['kernel-not-found', 'file-not-found', 'instance-not-available'] as const;
  return [
    {
      method: 'POST',
      path: '/kernel/:token/upload',
      ...key,
      takes: `a form of at most ${UPLOAD_FILES_MAX} files of at most 1 MiB`,
      answers: '204',
      errors: finds,
      run: upload(options),
    },
    {
      method: 'GET',
      path: '/kernel/:token/download',
      ...key,
      takes: `\`files\`, at most ${DOWNLOAD_FILES_MAX} paths`,
      answers: '200 tar archives, `multipart/mixed`',
      errors: opens,
      run: on(download(options)),
    },
    {
      method: 'GET',
      path: '/kernel/:token/download_single',
      ...key,
      takes: '`file`',
      answers: '200 a tar archive',
      errors: opens,
      run: on(downloadSingle(options)),
    },
    {
      method: 'GET',
      path: '/kernel/:token/files',
      ...key,
      takes: '`path`',
      answers: '200 `{"files", "errors", "abspath"}`; `files` is JSON in a text',
      errors: opens,
      run: on(list(options)),
    },
    {
      method: 'DELETE',
      path: '/kernel/:token/files',
      ...key,
      takes: `\`files\`, at most ${UPLOAD_FILES_MAX} paths`,
      answers: '204',
      errors: opens,
      run: on(remove(options)),
    },
  ];
}

function upload({ keys, sessions }: SessionRouteOptions): Route['run'] {
  return async (call) => {
    const owner = ownerOf(call.pair, ownerKeyOf(call), keys);
    const { record, started } = sessions.find(owner, checkToken(call.names.token ?? ''));
    const form = await call.body(BODY_BYTES_MAX);
    const limits = { partsMax: UPLOAD_FILES_MAX, partBytesMax: FILE_BYTES_MAX };
    const files = readForm(call.incoming.headers['content-type'], form, limits);
    const nameless = files.find(({ filename }) => !filename);
    if (nameless !== undefined) throw invalidParams(`The part ${JSON.stringify(nameless.name)} has no filename`);
    await started;
    const host = sessions.host;
    await Promise.all(files.map((file) => host.upload(record.id, file.filename as string, file.bytes)));
    return noContent();
  };
}

function download({ sessions }: SessionRouteOptions) {
  return async ({ session: { record, started }, params }: Addressed): Promise<Response> => {
    const paths = params.texts('files', DOWNLOAD_FILES_MAX);
    if (params.value('files') === undefined || paths?.length === 0) params.problem('files', 'is required');
    params.check();
    await started;
    const host = sessions.host;
    const archives = await Promise.all(
      (paths ?? []).map(async (path) => ({
        contentType: TAR,
        filename: `${path}.tar`,
        bytes: await host.download(record.id, path),
      })),
    );
    const { contentType, body } = writeMixed(archives);
    return bytes(body, contentType);
  };
}

function downloadSingle({ sessions }: SessionRouteOptions) {
  return async ({ session: { record, started }, params }: Addressed): Promise<Response> => {
    const path = params.requiredText('file|files');
    params.check();
    await started;
    return bytes(await sessions.host.download(record.id, path), TAR);
  };
}

function list({ sessions }: SessionRouteOptions) {
  return async ({ session: { record, started }, params }: Addressed): Promise<Response> => {
    const path = params.text('path') ?? '.';
    params.check();
    await started;
    const facts = await sessions.host.files(record.id, path);
    // A text that holds JSON: that is how clients take it.
    return json({ files: JSON.stringify(facts), errors: '', abspath: absolutePath(path) });
  };
}

function remove({ sessions }: SessionRouteOptions) {
  return async ({ session: { record, started }, params }: Addressed): Promise<Response> => {
    const paths = params.texts('files', UPLOAD_FILES_MAX);
    if (paths === undefined) params.problem('files', 'is required');
    params.check();
    await started;
    const host = sessions.host;
    for (const path of paths ?? []) await host.removeFile(record.id, path);
    return noContent();
  };
}

/** Of a path as clients say it: relative to there, or whole. */
function absolutePath(path: string): string {
  return posix.resolve(HOME, path);
}
