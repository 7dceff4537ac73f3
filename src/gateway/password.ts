import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string, Uint8Array, number, Buffer>(scrypt);

const KEY_BYTES = 32;

/** `scrypt$<salt>$<key>`, both in base64url. Takes some 50 ms of another thread. */
export async function hashedPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, KEY_BYTES);
  return `scrypt$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Takes as long for a user whom nobody knows (`hash` is null) as for one with another password. */
export async function isPassword(password: string, hash: string | null): Promise<boolean> {
  const [, salt = '', key = ''] = (hash ?? '').split('$');
  const expected = Buffer.from(key, 'base64url');
  const derived = await derive(password, Buffer.from(salt, 'base64url'), KEY_BYTES);
  return expected.length === KEY_BYTES && timingSafeEqual(derived, expected);
}
