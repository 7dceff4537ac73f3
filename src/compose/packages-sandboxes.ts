/** Sandboxes that unpack wheels and build them: as those of lambdas, with the installer's own code. */
import { Failure } from '../config/failure.ts';
import { defaultSettings } from '../config/parse.ts';
import type { Limits, Settings } from '../config/settings.ts';
import type { StartBuilder } from '../packages/building.ts';
import { PIECE_MS_MAX } from '../packages/limits.ts';
import type { StartUnpacker, Unpacker } from '../packages/unpacking.ts';
import type { Ending, Engine, Reply, Sandbox, SandboxSpec } from '../sandbox/sandbox.ts';

/** As a lambda of this name would be found among the instances; numbers begin where no lambda's get to. */
const NAME = '.packages';
const FIRST_INSTANCE = 1_000_000_000;

/** Wheels come out in pieces as text. */
const RESPONSE_KB = 65_536;

const UNPACKER_LIMITS: Limits = {
  ...defaultSettings('/').limits,
  timeout_ms: PIECE_MS_MAX,
  // To compile the largest source takes a few hundred MB.
  memory_mb: 1_024,
  response_kb: RESPONSE_KB,
};

export interface PackageSandboxes {
  startUnpacker: StartUnpacker;
  /** Undefined if the settings have nothing built. */
  builds: StartBuilder | undefined;
}

export function packageSandboxes(engine: Engine, settings: Settings): PackageSandboxes {
  let started = 0;
  const create = (spec: Pick<SandboxSpec, 'codeDir' | 'packages' | 'limits' | 'zygote' | 'network' | 'onOutput'>) => {
    const instance = FIRST_INSTANCE + started;
    started += 1;
    return engine.create({ lambda: NAME, instance, env: {}, secrets: [], ...spec });
  };
  return {
    startUnpacker: async (codeDir) => {
      const network = { mode: 'none' } as const;
      const sandbox = await create({ codeDir, packages: undefined, limits: UNPACKER_LIMITS, zygote: true, network });
      return new InstallerSandbox(sandbox, { what: 'unpack', msMax: PIECE_MS_MAX, of: 'each' });
    },
    builds: settings.packages_build === 'off' ? undefined : builder(settings),
  };

  function builder({ packages_build, limits, limits_max }: Settings): StartBuilder {
    const largest = (key: keyof Limits) => [key, Math.max(limits[key], limits_max[key])];
    const most = Object.fromEntries((Object.keys(limits) as (keyof Limits)[]).map(largest)) as unknown as Limits;
    return async ({ codeDir, packages, onOutput }) => {
      const sandbox = await create({
        codeDir,
        packages: { dir: packages.dir, members: packages.members },
        limits: { ...most, response_kb: RESPONSE_KB },
        // A stranger's code is about to run: it begins with an interpreter of its own.
        zygote: false,
        network: packages_build === 'outbound' ? { mode: 'outbound', egress: null } : { mode: 'none' },
        onOutput: ({ bytes }) => onOutput(bytes.toString()),
      });
      return new InstallerSandbox(sandbox, { what: 'build', msMax: most.timeout_ms, of: 'all' });
    };
  }
}

/** What a sandbox is there for, and its time in milliseconds: of one answer, or of all of them. */
interface Work {
  what: 'unpack' | 'build';
  msMax: number;
  of: 'each' | 'all';
}

class InstallerSandbox implements Unpacker {
  readonly #sandbox: Sandbox;
  readonly #work: Work;
  readonly #timer: NodeJS.Timeout | undefined;
  #late = false;
  #asked = 0;

  constructor(sandbox: Sandbox, work: Work) {
    this.#sandbox = sandbox;
    this.#work = work;
    this.#timer = work.of === 'all' ? setTimeout(() => this.#expire(), work.msMax) : undefined;
  }

  async ask(event: object): Promise<unknown> {
    this.#asked += 1;
    const { msMax, of } = this.#work;
    const timer = of === 'each' ? setTimeout(() => this.#expire(), msMax) : undefined;
    try {
      const call = { requestId: `packages-${this.#asked}`, event: Buffer.from(JSON.stringify(event)) };
      return this.#resultOf(await this.#sandbox.call({ ...call, deadlineMs: Date.now() + msMax }));
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#sandbox.destroy();
  }

  #expire(): void {
    this.#late = true;
    void this.#sandbox.destroy();
  }

  #resultOf(reply: Reply): unknown {
    switch (reply.kind) {
      case 'result':
        return JSON.parse(reply.body.toString());
      case 'ended':
        throw this.#ended(reply.ending);
      default:
        throw new Failure('packages-failed', messageOf(reply.body, this.#work.what));
    }
  }

  #ended(ending: Ending): Failure {
    const { what, msMax } = this.#work;
    if (this.#late) {
      return new Failure('packages-failed', `it took longer than ${msMax / 1_000} s to ${what} it`);
    }
    const message = `the sandbox to ${what} it ended: ${ending.cause}`;
    // It was taken down from outside: that says nothing about the package.
    const ours = ending.cause === 'lost' || ending.cause === 'not-started';
    return ours ? new Failure('sandbox-failed', message, { step: what }) : new Failure('packages-failed', message);
  }
}

/** Of a typed error, which a stranger's code may have written. */
function messageOf(body: Buffer, what: string): string {
  const { errorType, errorMessage } = JSON.parse(body.toString()) as Record<string, unknown>;
  const message = String(errorMessage);
  return errorType === 'WheelRefused' ? message : `it was not possible to ${what} it: ${String(errorType)}: ${message}`;
}
