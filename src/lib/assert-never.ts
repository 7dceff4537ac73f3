/** Ends a switch over a union: a member that was forgotten is an error of the compiler, not of the night shift. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
