/** Sandboxes that unpack wheels: as those of lambdas, with the installer's own code and without network. */
import { Failure } from '../config/failure.ts';
import { defaultSettings } from '../config/parse.ts';
import type { Limits } from '../config/settings.ts';
import { PIECE_MS_MAX } from '../packages/limits.ts';
import type { StartUnpacker, Unpacker } from '../packages/unpacking.ts';
import type { Ending, Engine, Reply, Sandbox } from '../sandbox/sandbox.ts';

/** As a lambda of this name would be found among the instances; numbers begin where no lambda's get to. */
const NAME = '.packages';
const FIRST_INSTANCE = 1_000_000_000;

const LIMITS: Limits = {
  ...defaultSettings('/').limits,
  timeout_ms: PIECE_MS_MAX,
  // To compile the largest source takes a few hundred MB.
  memory_mb: 1_024,
  response_kb: 65_536,
};

export function unpackersOf(engine: Engine): StartUnpacker {
  let started = 0;
  return async (codeDir) => {
    const instance = FIRST_INSTANCE + started;
    started += 1;
    const sandbox = await engine.create({
      lambda: NAME,
      instance,
      codeDir,
      packages: undefined,
      limits: LIMITS,
      zygote: true,
      env: {},
      secrets: [],
      network: { mode: 'none' },
    });
    return new SandboxUnpacker(sandbox);
  };
}

class SandboxUnpacker implements Unpacker {
  readonly #sandbox: Sandbox;
  #asked = 0;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  async ask(event: object): Promise<unknown> {
    this.#asked += 1;
    const timer = setTimeout(() => void this.#sandbox.destroy(), PIECE_MS_MAX);
    try {
      const deadlineMs = Date.now() + PIECE_MS_MAX;
      const call = { requestId: `packages-${this.#asked}`, event: Buffer.from(JSON.stringify(event)), deadlineMs };
      return resultOf(await this.#sandbox.call(call));
    } finally {
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    return this.#sandbox.destroy();
  }
}

function resultOf(reply: Reply): unknown {
  switch (reply.kind) {
    case 'result':
      return JSON.parse(reply.body.toString());
    case 'ended':
      throw ended(reply.ending);
    default:
      throw new Failure('packages-failed', messageOf(reply.body));
  }
}

function ended(ending: Ending): Failure {
  const message = `the sandbox that unpacks it ended: ${ending.cause}`;
  // It was taken down from outside: that says nothing about the wheel.
  const ours = ending.cause === 'lost' || ending.cause === 'not-started';
  return ours ? new Failure('sandbox-failed', message, { step: 'unpack' }) : new Failure('packages-failed', message);
}

/** Of a typed error, which a stranger's code may have written. */
function messageOf(body: Buffer): string {
  const { errorType, errorMessage } = JSON.parse(body.toString()) as Record<string, unknown>;
  const message = String(errorMessage);
  return errorType === 'WheelRefused' ? message : `it could not be unpacked: ${String(errorType)}: ${message}`;
}
