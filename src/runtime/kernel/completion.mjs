// What may follow in a cell: names in scope, or properties of what stands before the dot, as long as finding that out changes nothing.
const EXPRESSION = /(?:[A-Za-z_$][\w$]*|\])(?:\??\.[A-Za-z_$][\w$]*)*\??\.$/;
const WORD = /[A-Za-z_$][\w$]*$/;
const NAMES_MAX = 500;
const KEYWORDS = [
  'async',
  'await',
  'break',
  'case',
  'catch',
  'class',
  'const',
  'continue',
  'debugger',
  'default',
  'delete',
  'else',
  'export',
  'extends',
  'false',
  'finally',
  'for',
  'function',
  'import',
  'instanceof',
  'let',
  'new',
  'null',
  'return',
  'static',
  'super',
  'switch',
  'this',
  'throw',
  'true',
  'typeof',
  'undefined',
  'var',
  'void',
  'while',
  'yield',
];

/** {completions, start, end}, in characters as `cursor` is. Never rejects. */
export async function completionsOf(session, materialize, code, cursor) {
  const before = [...code].slice(0, cursor).join('');
  const word = WORD.exec(before)?.[0] ?? '';
  const start = cursor - word.length; // words are ASCII
  const rest = before.slice(0, before.length - word.length);
  const owner = EXPRESSION.exec(rest)?.[0];
  let names = [];
  try {
    if (owner !== undefined) names = namesOf(materialize, await evaluated(session, owner.replace(/\??\.$/, '')));
    else if (!/\.\s*$/.test(rest)) names = [...(await lexical(session)), ...allNames(globalThis), ...KEYWORDS];
  } catch {
    // What can not be looked at has nothing to offer.
  }
  const fitting = [...new Set(names)].filter((name) => name.startsWith(word) && /^[A-Za-z_$][\w$]*$/.test(name));
  return { completions: fitting.sort().slice(0, NAMES_MAX), start, end: cursor };
}

function evaluated(session, expression) {
  return new Promise((resolve) => {
    const parameters = { expression, throwOnSideEffect: true, silent: true, timeout: 200 };
    session.post('Runtime.evaluate', parameters, (error, result) =>
      resolve(error || result.exceptionDetails ? undefined : result.result),
    );
  });
}

function lexical(session) {
  return new Promise((resolve) => {
    session.post('Runtime.globalLexicalScopeNames', {}, (error, result) => resolve(error ? [] : result.names));
  });
}

function namesOf(materialize, remote) {
  if (remote === undefined || remote.subtype === 'proxy') return [];
  const value = materialize(remote);
  return value === undefined || value === null ? [] : allNames(Object(value));
}

function allNames(object) {
  const names = [];
  for (let at = object; at !== null && names.length < 10_000; at = Object.getPrototypeOf(at))
    names.push(...Object.getOwnPropertyNames(at));
  return names;
}
