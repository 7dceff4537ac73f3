/** The languages that sessions of a worker can have: those whose tools its base has. */
import { resolveBase } from '../cluster/base.ts';
import { findNode } from '../cluster/node.ts';
import type { WorkerSettings } from '../config/settings.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import { viewOfDirectory, viewOfHost } from '../session/base-view.ts';
import { OfferedLanguages } from '../session/languages.ts';

export async function offeredLanguages(settings: WorkerSettings, engine: Engine): Promise<OfferedLanguages> {
  const base = await resolveBase(settings);
  const view = base.kind === 'host' ? viewOfHost(base.etcDir) : viewOfDirectory(base.path);
  return new OfferedLanguages(view, { node: findNode(base).path, versions: { python: engine.facts().python } });
}
