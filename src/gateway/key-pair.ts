/** Who may call the gateway and how much: pairs of keys, the users that have them, and resource policies. */
import { randomBytes } from 'node:crypto';

export const ROLES = ['superadmin', 'admin', 'user', 'monitor'] as const;
export type Role = (typeof ROLES)[number];

export interface User {
  email: string;
  uuid: string;
  role: Role;
  domain: string;
  isActive: boolean;
  /** As `hashedPassword` made it; null if the user has none. */
  password: string | null;
}

export interface KeyPair {
  accessKey: string;
  secretKey: string;
  /** The user's e-mail address. */
  user: string;
  isActive: boolean;
  isAdmin: boolean;
  /** Name of its resource policy. */
  policy: string;
  /** Calls in 900 s. */
  rateLimit: number;
  /** Unix time in milliseconds, as the others. */
  createdMs: number;
}

export interface KeyUse {
  lastUsedMs: number | null;
  queries: number;
}

export interface ResourcePolicy {
  name: string;
  /** 0 for as many as one likes. */
  sessionsMax: number;
  /** How long a session may be unused, in milliseconds; 0 for ever. */
  idleTimeoutMs: number;
  /** How long a session may live, in milliseconds; 0 for ever. */
  lifetimeMs: number;
}

/** That of the original's example. */
export const DEFAULT_POLICY: ResourcePolicy = {
  name: 'default',
  sessionsMax: 30,
  idleTimeoutMs: 600_000,
  lifetimeMs: 0,
};

export const DEFAULT_RATE_LIMIT = 30_000;

const BASE_32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** 20 and 40 characters, as the original makes them. */
export function generateKeyPair(): Pick<KeyPair, 'accessKey' | 'secretKey'> {
  return { accessKey: `AKIA${base32(randomBytes(10))}`, secretKey: randomBytes(30).toString('base64url') };
}

function base32(bytes: Uint8Array): string {
  let bits = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  let text = '';
  for (let left = Math.ceil((bytes.length * 8) / 5); left > 0; left -= 1) {
    text = BASE_32[Number(bits & 31n)] + text;
    bits >>= 5n;
  }
  return text;
}
