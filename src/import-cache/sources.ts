/** What the text of a lambda's code tells before it has run. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of Python files that are looked at; who has more may do anything. */
const BYTES_MAX = 1 << 20;
const FILES_MAX = 100;
const CHANGES =
  /environ\s*(\[[^\]\n]*\]\s*=[^=]|\|=|\.\s*(setdefault|update|pop|popitem|clear)\b)|del\s+[\w.]*environ\b|\b(putenv|unsetenv|dotenv)\b/;

/** Whether it looks as if code in this directory changed environment variables, perhaps before it imports something. */
export function mayChangeEnvironment(codeDir: string): boolean {
  const entries = readdirSync(codeDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.py'));
  if (files.length > FILES_MAX) return true;
  let bytes = 0;
  return files.some(({ parentPath, name }) => {
    const path = join(parentPath, name);
    bytes += lstatSync(path).size;
    return bytes > BYTES_MAX || CHANGES.test(readFileSync(path, 'utf8'));
  });
}
