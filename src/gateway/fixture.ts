/**
 * Users, keys and policies as Backend.AI's fixtures have them, such as its `example-keypairs.json`: what is not there yet
 * is added, what is there stays as it is. Tables that mean nothing here are named.
 */
import { readFileSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { isPlain } from '../config/parse.ts';
import { DEFAULT_POLICY, DEFAULT_RATE_LIMIT, type KeyPair, type ResourcePolicy, ROLES, type User } from './key-pair.ts';
import type { KeyRing } from './key-ring.ts';
import { Params } from './params.ts';
import { hashedPassword } from './password.ts';

export interface Imported {
  users: number;
  policies: number;
  pairs: number;
  /** Tables that were not looked at. */
  ignored: string[];
}

const TABLES: readonly string[] = ['users', 'keypairs', 'keypair_resource_policies'];
const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

/** Throws Failure `config-invalid`, and then nothing was added. */
export async function importFixture(file: string, keys: KeyRing): Promise<Imported> {
  const tables = readTables(file);
  const rowsOf = (table: string) => (Array.isArray(tables[table]) ? (tables[table] as unknown[]) : []).filter(isPlain);
  const problems: string[] = [];
  const each = <T>(table: string, read: (params: Params) => T): T[] =>
    rowsOf(table).map((row, index) => read(new Params(row, `${table}.${index}.`, problems)));
  const policies = each('keypair_resource_policies', readPolicy);
  const users = each('users', readUser);
  const pairs = each('keypairs', readPair);
  if (problems.length > 0) throw new Failure('config-invalid', `${file} can not be imported`, { problems });
  const newPolicies = policies.filter(({ name }) => keys.policy(name) === undefined);
  const newUsers = users.filter(({ user: { email } }) => keys.user(email) === undefined);
  const newPairs = pairs.filter(({ accessKey }) => keys.pair(accessKey) === undefined);
  for (const policy of newPolicies) await keys.putPolicy(policy);
  for (const { user, password } of newUsers) {
    await keys.putUser({ ...user, password: password === undefined ? null : await hashedPassword(password) });
  }
  for (const pair of newPairs) await keys.putPair(pair);
  const ignored = Object.keys(tables).filter((table) => !TABLES.includes(table) && !table.startsWith('_'));
  return { users: newUsers.length, policies: newPolicies.length, pairs: newPairs.length, ignored };
}

function readTables(file: string): Record<string, unknown> {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure('config-invalid', `${file} can not be read as JSON: ${why}`, { cause });
  }
  if (isPlain(raw)) return raw;
  throw new Failure('config-invalid', `${file} is not a JSON object of tables`);
}

function readPolicy(params: Params): ResourcePolicy {
  const seconds = (name: string) => (params.number(name, { min: 0, max: 2_147_483, whole: false }) ?? 0) * 1_000;
  return {
    name: params.requiredText('name'),
    sessionsMax: params.number('max_concurrent_sessions', { min: 0, max: NUMBER_MAX }) ?? DEFAULT_POLICY.sessionsMax,
    idleTimeoutMs: params.has('idle_timeout') ? seconds('idle_timeout') : DEFAULT_POLICY.idleTimeoutMs,
    lifetimeMs: seconds('max_session_lifetime'),
  };
}

function readUser(params: Params): { user: User; password: string | undefined } {
  const user = {
    email: params.requiredText('email'),
    uuid: params.requiredText('uuid'),
    role: params.choice('role', ROLES) ?? 'user',
    domain: params.text('domain_name') ?? 'default',
    isActive: params.flag('is_active') ?? true,
    password: null,
  };
  return { user, password: params.text('password') };
}

function readPair(params: Params): KeyPair {
  return {
    accessKey: params.requiredText('access_key', {
      pattern: /^[!-9;-~]{4,128}$/,
      what: 'a key without colons and blanks',
    }),
    secretKey: params.requiredText('secret_key'),
    user: params.requiredText('user_id'),
    isActive: params.flag('is_active') ?? true,
    isAdmin: params.flag('is_admin') ?? false,
    policy: params.text('resource_policy') ?? DEFAULT_POLICY.name,
    rateLimit: params.number('rate_limit', { min: 0, max: NUMBER_MAX }) ?? DEFAULT_RATE_LIMIT,
    createdMs: Date.now(),
  };
}
