/**
 * All pairs of keys, users, policies and tokens, in memory and in the store: a call is never kept waiting for the disk
 * to know who it is. How much a key is used is written down now and then, and when the gateway stops.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import type { Store } from '../store/key-value/store.ts';
import { ApiProblem } from './api-problem.ts';
import { Cabinet } from './cabinet.ts';
import {
  DEFAULT_POLICY,
  DEFAULT_RATE_LIMIT,
  generateKeyPair,
  type KeyPair,
  type KeyUse,
  type ResourcePolicy,
  type User,
} from './key-pair.ts';
import { TOKENS_MAX, USE_WRITTEN_MS } from './limits.ts';

interface Token {
  accessKey: string;
  expiresMs: number;
}

export class KeyRing {
  readonly #pairs: Cabinet<KeyPair>;
  readonly #users: Cabinet<User>;
  readonly #policies: Cabinet<ResourcePolicy>;
  readonly #uses: Cabinet<KeyUse>;
  readonly #tokens: Cabinet<Token>;
  readonly #log: Log;
  /** Keys whose use is not written down yet. */
  readonly #used = new Set<string>();
  #writing: NodeJS.Timeout | undefined;

  private constructor(store: Store, log: Log) {
    this.#log = log;
    this.#pairs = new Cabinet(store, 'key-pairs');
    this.#users = new Cabinet(store, 'users');
    this.#policies = new Cabinet(store, 'policies');
    this.#uses = new Cabinet(store, 'key-uses');
    this.#tokens = new Cabinet(store, 'tokens');
  }

  static async open(store: Store, log: Log): Promise<KeyRing> {
    const ring = new KeyRing(store, log);
    await Promise.all([ring.#pairs, ring.#users, ring.#policies, ring.#uses, ring.#tokens].map((one) => one.load()));
    if (ring.#policies.get(DEFAULT_POLICY.name) === undefined) await ring.putPolicy(DEFAULT_POLICY);
    return ring;
  }

  get isEmpty(): boolean {
    return this.#pairs.size === 0;
  }

  /** Undefined if there is none, it is not active, or its user is not. */
  active(accessKey: string): KeyPair | undefined {
    const pair = this.#pairs.get(accessKey);
    return pair?.isActive && this.userOf(pair)?.isActive ? pair : undefined;
  }

  pair(accessKey: string): KeyPair | undefined {
    return this.#pairs.get(accessKey);
  }

  /** Of a bearer token. */
  byToken(token: string): KeyPair | undefined {
    const known = this.#tokens.get(digestOf(token));
    return known === undefined || known.expiresMs <= Date.now() ? undefined : this.active(known.accessKey);
  }

  userOf({ user }: KeyPair): User | undefined {
    return this.#users.get(user);
  }

  user(email: string): User | undefined {
    return this.#users.get(email);
  }

  /** The first active pair of a user. */
  pairOf(email: string): KeyPair | undefined {
    return [...this.#pairs.values()].find(({ user, accessKey }) => user === email && this.active(accessKey));
  }

  policy(name: string): ResourcePolicy | undefined {
    return this.#policies.get(name);
  }

  policyOf({ policy }: KeyPair): ResourcePolicy {
    return this.#policies.get(policy) ?? DEFAULT_POLICY;
  }

  useOf({ accessKey }: KeyPair): KeyUse {
    return this.#uses.get(accessKey) ?? { lastUsedMs: null, queries: 0 };
  }

  /** A call was made with it. */
  use(pair: KeyPair): void {
    const { queries } = this.useOf(pair);
    this.#uses.keep(pair.accessKey, { lastUsedMs: Date.now(), queries: queries + 1 });
    this.#used.add(pair.accessKey);
    this.#writing ??= setTimeout(() => void this.#writeUses(), USE_WRITTEN_MS).unref();
  }

  putPair(pair: KeyPair): Promise<void> {
    return this.#pairs.put(pair.accessKey, pair);
  }

  putUser(user: User): Promise<void> {
    return this.#users.put(user.email, user);
  }

  putPolicy(policy: ResourcePolicy): Promise<void> {
    return this.#policies.put(policy.name, policy);
  }

  /** A user who may everything, with a new pair of keys. */
  async makeAdmin(email: string): Promise<KeyPair> {
    const user = this.#users.get(email) ?? { email, uuid: randomUUID(), domain: 'default', password: null };
    await this.putUser({ ...user, role: 'superadmin', isActive: true });
    const rest = { isActive: true, isAdmin: true, policy: DEFAULT_POLICY.name, rateLimit: DEFAULT_RATE_LIMIT };
    const pair: KeyPair = { ...generateKeyPair(), user: email, ...rest, createdMs: Date.now() };
    await this.putPair(pair);
    return pair;
  }

  /** A bearer token of this pair, of which only a digest is kept. Throws ApiProblem `quota-exceeded`. */
  async makeToken({ accessKey }: KeyPair, ttlMs: number): Promise<{ token: string; expiresMs: number }> {
    this.#dropExpired();
    const mine = [...this.#tokens.values()].filter((token) => token.accessKey === accessKey);
    if (mine.length >= TOKENS_MAX) {
      const detail = `This key has ${TOKENS_MAX} tokens, as many as it may; end some of them, or wait until they expire.`;
      throw new ApiProblem('quota-exceeded', undefined, { detail });
    }
    const token = `isla_${randomBytes(30).toString('base64url')}`;
    const expiresMs = Date.now() + ttlMs;
    await this.#tokens.put(digestOf(token), { accessKey, expiresMs }, ttlMs);
    return { token, expiresMs };
  }

  async dropToken(token: string): Promise<boolean> {
    return this.#tokens.delete(digestOf(token));
  }

  /** The store forgets them by itself. */
  #dropExpired(): void {
    const nowMs = Date.now();
    for (const [digest, { expiresMs }] of this.#tokens.entries()) if (expiresMs <= nowMs) this.#tokens.forget(digest);
  }

  /** Writes what is left to write. */
  async close(): Promise<void> {
    clearTimeout(this.#writing);
    await this.#writeUses();
  }

  async #writeUses(): Promise<void> {
    this.#writing = undefined;
    const keys = [...this.#used];
    this.#used.clear();
    try {
      await Promise.all(keys.map((key) => this.#uses.write(key)));
    } catch (error) {
      for (const key of keys) this.#used.add(key);
      this.#log('warn', 'the use of keys could not be written down', {
        reason: error instanceof Failure ? error.message : String(error),
      });
    }
  }
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
