/** One flag of a command, without its dashes. */
export interface GoFlag {
  long: string;
  short?: string | undefined;
  takesValue: boolean;
}

/**
 * Rewrites flags as Go's flag package takes them into the two spellings that commander knows:
 * `-cluster=x` and `-cluster x` become `--cluster`, `--p 1` and `-p=1` become `-p`, `-json=false`
 * goes away. Values are passed over, whatever they begin with, and so is all that follows `--`, or
 * the first argument if `passesArguments`.
 */
export function rewriteGoFlags(args: readonly string[], flags: readonly GoFlag[], passesArguments = false): string[] {
  const rewritten: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] as string;
    if (arg === '--') return [...rewritten, ...args.slice(at)];
    if (passesArguments && !isFlag(arg)) return [...rewritten, arg, '--', ...args.slice(at + 1)];
    const spelling = /^(--?)([A-Za-z][A-Za-z0-9-]*)(?:=([\s\S]*))?$/.exec(arg);
    const [, dashes, name = '', value] = spelling ?? [];
    const flag = flags.find((one) => one.long === name || one.short === name);
    if (spelling === null) rewritten.push(arg);
    else if (flag === undefined) rewritten.push(unknownFlag({ arg, dashes: dashes as string, flags }));
    else {
      rewritten.push(...knownFlag(flag, name, value));
      const next = args[at + 1];
      if (flag.takesValue && value === undefined && next !== undefined) {
        rewritten.push(next);
        at += 1;
      }
    }
  }
  return rewritten;
}

/** A dash alone is standard input. */
function isFlag(arg: string): boolean {
  return arg.startsWith('-') && arg !== '-';
}

function knownFlag(flag: GoFlag, name: string, value: string | undefined): string[] {
  const dashed = name.length === 1 ? `-${name}` : `--${name}`;
  if (value === undefined) return [dashed];
  if (flag.takesValue) return name.length === 1 ? [dashed, value] : [`${dashed}=${value}`];
  if (['true', 't', '1'].includes(value.toLowerCase())) return [dashed];
  if (['false', 'f', '0'].includes(value.toLowerCase())) return [];
  return [`${dashed}=${value}`]; // For commander to refuse.
}

/** `-clutser=x` gets its second dash, so that it is refused by that name; `-p8080` is `-p 8080`. */
function unknownFlag({ arg, dashes, flags }: { arg: string; dashes: string; flags: readonly GoFlag[] }): string {
  const attached = flags.some((flag) => flag.takesValue && flag.short === arg[1] && /^[0-9]/.test(arg.slice(2)));
  return dashes === '--' || attached || arg.length === 2 ? arg : `-${arg}`;
}
