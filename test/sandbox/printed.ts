import type { Output } from '../../src/sandbox/sandbox.ts';

/** What was told of calls, with the pieces as one in which a call that takes long tells what it prints. */
export function joined(told: readonly Output[]): Output[] {
  const whole: Output[] = [];
  for (const one of told) {
    const last = whole.at(-1);
    if (last === undefined || last.requestId !== one.requestId || last.stream !== one.stream) whole.push({ ...one });
    else Object.assign(last, { bytes: Buffer.concat([last.bytes, one.bytes]), cut: last.cut || one.cut });
  }
  return whole;
}
