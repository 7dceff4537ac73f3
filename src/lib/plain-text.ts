/** What a terminal might obey instead of showing it, or show in another place: controls, and marks of direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const UNSAFE = /[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Text of a stranger's as one line that any terminal shows as it is: `\x1b` for an escape. Tabs stay. */
export function plainText(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** The same of each line. */
export function plainLines(text: string): string[] {
  return text.split('\n').map(plainText);
}

/** JSON that means the same as `JSON.stringify` makes it, and that is safe to show on a terminal. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(
    UNSAFE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
