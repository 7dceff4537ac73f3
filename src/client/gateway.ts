/** A gateway, as its clients see it: where sessions are made and found. */
import { type AccessOptions, accessOf, type Environment } from './access.ts';
import { Connection } from './connection.ts';
import { requestSession, type SessionOptions } from './creation.ts';
import { Session } from './session.ts';

export interface ListedSession {
  /** By which its owner calls it. */
  name: string;
  /** By which the gateway knows it. */
  id: string;
  language: string;
  type: 'interactive' | 'batch';
  status: string;
  agent: string;
  accessKey: string;
  /** Name of the session that it is a fork of. */
  forkOf: string | null;
  created: Date;
}

export class Gateway {
  readonly #connection: Connection;

  /** Throws Failure `usage` if neither the options nor the environment name a gateway and a key. */
  constructor(options: AccessOptions = {}, environment: Environment = process.env) {
    this.#connection = new Connection(accessOf(options, environment));
  }

  get endpoint(): URL {
    return this.#connection.endpoint;
  }

  /** A session of that language, such as `python`, `node` or `c:latest`, that runs. Throws ProblemError, or Failure `unreachable`. */
  async create(language: string, options: SessionOptions = {}): Promise<Session> {
    return new Session(this.#connection, await requestSession(this.#connection, language, options));
  }

  /** One that is there already, or is not: nothing is asked yet. */
  session(name: string): Session {
    return new Session(this.#connection, { name, created: false });
  }

  /** Those of this key that have not ended. */
  async sessions(): Promise<ListedSession[]> {
    const { sessions } = await this.#connection.json<{ sessions: WireSession[] }>({ method: 'GET', path: '/kernel' });
    return sessions.map(({ kernelId, creationTime, id, language, type, status, agent, accessKey, forkOf }) => ({
      name: kernelId,
      ...{ id, language, type, status, agent, accessKey, forkOf },
      created: new Date(creationTime),
    }));
  }

  /** For `token` of whoever is not to have the keys; it is good for a day unless it is said. Throws ProblemError. */
  async makeToken(ttlS?: number): Promise<{ token: string; expires: Date }> {
    const json = ttlS === undefined ? {} : { ttl: ttlS };
    const made = await this.#connection.json<{ token: string; expires: string }>({
      method: 'POST',
      path: '/auth/token',
      json,
    });
    return { token: made.token, expires: new Date(made.expires) };
  }

  /** Lets go of kept connections. Sessions go on. */
  close(): void {
    this.#connection.close();
  }
}

type WireSession = Omit<ListedSession, 'name' | 'created'> & { kernelId: string; creationTime: string };
