/**
 * What the same calls would have cost at others: list prices in US dollars, without free allowances, traffic, gateways and
 * logs, which differ by contract. As of November 2025; each `source` is the page to look at for today's.
 */
import type { Usage } from './kept-call.ts';

export interface Offer {
  name: string;
  source: string;
  cost(usage: Omit<Usage, 'day'>): number;
}

const GB_MB = 1_024;
const MILLION = 1_000_000;

/** Memory of the smallest sandbox that AWS has, in MiB. */
const AWS_MEMORY_MIN_MB = 128;

/** What Cloud Run gives with so much memory at least (MiB), in virtual CPUs: first generation. */
const GOOGLE_CPUS: readonly (readonly [number, number])[] = [
  [128, 0.083],
  [256, 0.167],
  [512, 0.333],
  [1_024, 0.583],
  [2_048, 1],
  [8_192, 2],
];

export const OFFERS: readonly Offer[] = [
  {
    name: 'AWS Lambda (x86)',
    source: 'https://aws.amazon.com/lambda/pricing/',
    cost: (usage) => awsCost(usage, 0.0000166667),
  },
  {
    name: 'AWS Lambda (Arm)',
    source: 'https://aws.amazon.com/lambda/pricing/',
    cost: (usage) => awsCost(usage, 0.0000133334),
  },
  {
    name: 'Google Cloud Run functions',
    source: 'https://cloud.google.com/run/pricing',
    cost({ calls, msBy100, memoryMb }) {
      const [megabytes, cpus] = GOOGLE_CPUS.find(([mb]) => mb >= memoryMb) ?? [memoryMb, memoryMb / 4_096];
      const perSecond = cpus * 0.000024 + (megabytes / GB_MB) * 0.0000025;
      return (calls * 0.4) / MILLION + (msBy100 / 1_000) * perSecond;
    },
  },
  {
    name: 'Azure Functions (Consumption)',
    source: 'https://azure.microsoft.com/pricing/details/functions/',
    cost: ({ calls, usedMbMs }) => (calls * 0.2) / MILLION + (usedMbMs / GB_MB / 1_000) * 0.000016,
  },
  {
    name: 'Cloudflare Workers',
    source: 'https://developers.cloudflare.com/workers/platform/pricing/',
    cost: ({ calls, cpuMs }) => (calls * 0.3) / MILLION + (cpuMs * 0.02) / MILLION,
  },
];

function awsCost({ calls, ms, memoryMb }: Omit<Usage, 'day'>, perGbSecond: number): number {
  return (calls * 0.2) / MILLION + (ms / 1_000) * (Math.max(memoryMb, AWS_MEMORY_MIN_MB) / GB_MB) * perGbSecond;
}
