import { expect, test } from 'vitest';
import { plainJson, plainText } from '../../../src/lib/plain-text.ts';

test.each([
  ['é 漢 😀\tx', 'é 漢 😀\tx'],
  ['\x1b[2J\x07\r\n', '\\x1b[2J\\x07\\x0d\\x0a'],
  ['\x9b31m\x7f', '\\x9b31m\\x7f'],
  ['\u202egnp.exe\u2066', '\\u202egnp.exe\\u2066'],
  ['a\u2028b\ufeff', 'a\\u2028b\\ufeff'],
])('%j is shown as %s', (text, shown) => {
  expect(plainText(text)).toBe(shown);
});

test('JSON stays what it means, without anything that a terminal obeys', () => {
  const value = { text: 'é\x1b\x9b\x7f\u202e\u2028\n"\\' };
  const json = plainJson(value);
  expect(JSON.parse(json)).toEqual(value);
  expect(json).toBe('{"text":"é\\u001b\\u009b\\u007f\\u202e\\u2028\\n\\"\\\\"}');
});
