/** Events and results as JSON, bound before a handler can replace anything. */
const { parse, stringify } = JSON;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws for what is no JSON value. */
export function decode(bytes) {
  return parse(decoder.decode(bytes));
}

/** As text; what a handler that returns nothing has returned is null. Throws for what JSON has no word for. */
export function encode(value) {
  if (value === undefined) return 'null';
  const text = stringify(value);
  if (text === undefined) throw new TypeError(`a ${typeof value} is not JSON serializable`);
  return text;
}
