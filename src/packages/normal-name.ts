/** A package's name as PEP 503 has it: however it is written, it is the same package. */
export function normalName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}
