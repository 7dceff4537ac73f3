/** Where the kernel counts for a sandbox, or a fork there, by the spawner's word. */
import type { CountFiles } from '../group-counts.ts';
import type { SpawnerEvent } from './spawner-process.ts';

type Told = Pick<SpawnerEvent & { ev: 'ready' }, 'oom_file' | 'cpu_file' | 'peak_file'>;

/** Of a slot's number, and that of a fork behind it: in what was told, `*` is for those. */
export function countFilesOf({ oom_file: oom, cpu_file: cpu, peak_file: peak }: Told): (name: string) => CountFiles {
  const of = (file: string | null, name: string) => file?.replace('*', name);
  return (name) => ({ oom: of(oom, name), cpu: of(cpu, name), peak: of(peak, name) });
}
