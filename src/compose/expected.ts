/** Tells an engine which sandboxes may be asked for, also of what was read before there was one. */
import type { CodeVersion } from '../registry/source.ts';
import type { Engine } from '../sandbox/sandbox.ts';

export class Expected {
  #engine: Engine | undefined;
  #early: CodeVersion[] = [];

  add(version: CodeVersion): void {
    if (this.#engine === undefined) this.#early.push(version);
    else this.#engine.expect?.({ ...version.config, node: version.node });
  }

  tell(engine: Engine): void {
    this.#engine = engine;
    for (const version of this.#early.splice(0)) this.add(version);
  }
}
