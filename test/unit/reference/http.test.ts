/** The reference of HTTP is the tables that routes are made of: `npm run reference` writes it. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WORKER_API } from '../../../src/compose/worker-http.ts';
import { type GatewayOptions, gatewayApi } from '../../../src/gateway/gateway-app.ts';
import { createApp, problemAnswers } from '../../../src/http/app.ts';
import { type ApiSection, type Endpoint, pathsOf } from '../../../src/http/endpoint.ts';
import { REGISTRY_API } from '../../../src/registry/server/serve.ts';
import { readSourceTree } from '../../arch/source-tree.ts';
import { MADE, tableOf } from './page.ts';

describe('the reference of HTTP', () => {
  it('is what routes are made of', async () => {
    // Routes are made of what they may use, which is not used in making them.
    const { requests, upgrades } = gatewayApi({} as GatewayOptions);
    const servers = [
      ['A worker', 'On the port of the worker.', WORKER_API],
      ['The gateway', ABOUT_GATEWAY, [...requests, ...upgrades]],
      ['The registry', 'See [registry.md](../registry.md).', REGISTRY_API],
    ] as const;
    const parts = servers.flatMap(([title, about, api]) => [`## ${title}`, about, ...api.flatMap(sectionOf)]);
    const text = ['# HTTP', MADE, ABOUT, ...parts].join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot('../../../docs/reference/http.md');
  });

  it('has every route: an app takes none that its API does not tell', () => {
    const app = createApp(
      WORKER_API,
      problemAnswers(() => {}),
    );
    const secret = { peek: { method: 'GET', path: '/peek', answers: '200' } } as const;
    expect(() => app.add(secret, { peek: () => new Response() })).toThrow('the reference would not tell it');
    expect(() => app.addPlain([secret], '/peek/', () => Promise.reject(new Error('asked')))).toThrow(
      'the reference would not tell it',
    );
  });

  it('has no second app beside it', () => {
    const makers = readSourceTree(join(import.meta.dirname, '../../../src')).filter(({ text }) =>
      /new Hono\b/.test(text),
    );
    expect(makers.map(({ path }) => path)).toEqual(['http/app.ts']);
  });
});

const ABOUT = `\`{name}\` is one segment of a path and \`*\` all that follows; a name with \`?\` may be left out. What is read with GET
answers HEAD, too. A path that is not here is 404, another method 405 with \`Allow\`. What each error is about: [errors](errors.md).`;

const ABOUT_GATEWAY = `Calls need a [key](../gateway.md#who-may-call) unless they say so; errors are [problems](../gateway.md#errors) of these types. What
is named in brackets is a version below which the path is, too. Sessions and executions are explained in [gateway.md](../gateway.md).`;

function sectionOf(section: ApiSection): string[] {
  const { title, about, errors = [], tables } = section;
  const rows = tables.flatMap((table) =>
    Object.values(table).map((endpoint) => {
      const note = section.note?.(endpoint) ?? '';
      const requests = requestsOf(endpoint);
      return [
        note === '' ? requests : `${requests} (${note})`,
        endpoint.takes ?? '',
        endpoint.answers,
        toldBy(section, endpoint.errors ?? []),
      ];
    }),
  );
  return [
    `### ${title}`,
    ...(about === undefined ? [] : [about]),
    ...(errors.length === 0 ? [] : [`Errors of all: ${toldBy(section, errors)}.`]),
    tableOf(['request', 'takes', 'answers', 'errors'], rows),
  ];
}

function requestsOf(endpoint: Endpoint): string {
  const { method } = endpoint;
  const verb = typeof method === 'string' ? method : method.join(', ');
  const [first, ...others] = pathsOf(endpoint).map((path) => path.replace(/:(\w+)/g, '{$1}'));
  return [`\`${verb} ${first}\``, ...others.map((path) => `\`${path}\``)].join(', ');
}

/** By status, each with those that have it. */
function toldBy(section: ApiSection, errors: readonly string[]): string {
  const names = new Map<number, string[]>();
  for (const error of errors) {
    const { status, name } = section.told(error);
    names.set(status, [...(names.get(status) ?? []), `\`${name}\``]);
  }
  return [...names]
    .sort(([a], [b]) => a - b)
    .map(([status, all]) => `${status} ${all.join(', ')}`)
    .join('; ');
}
