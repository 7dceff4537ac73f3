import { InvalidArgumentError } from 'commander';

/** Parses a flag's number for commander, which says `legal` if it is not. */
export function wholeNumber(legal: string, isLegal: (number: number) => boolean): (text: string) => number {
  return (text) => {
    const number = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!isLegal(number)) throw new InvalidArgumentError(`It must be ${legal}`);
    return number;
  };
}
