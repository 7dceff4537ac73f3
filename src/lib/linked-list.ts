/** What can stand in one list at a time. */
export interface Linked<T> {
  before: T | undefined;
  behind: T | undefined;
  listed: boolean;
}

/**
 * A list that anybody can leave at any time. What a Set with its order can do as well, but a table that a Set has
 * outgrown holds on to the next one and to what stood in it: where members come and go fast, V8 copies all of them
 * before it finds out that nobody needs them. Here who leaves holds nobody.
 */
export class LinkedList<T extends Linked<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first;
  }

  /** To the end; who stands in a list must leave it first. */
  push(member: T): void {
    if (member.listed) throw new Error('it stands in a list already');
    if (this.#last === undefined) this.#first = member;
    else this.#last.behind = member;
    member.before = this.#last;
    member.listed = true;
    this.#last = member;
    this.#size += 1;
  }

  /** False if it was in no list. */
  remove(member: T): boolean {
    if (!member.listed) return false;
    const { before, behind } = member;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    member.before = undefined;
    member.behind = undefined;
    member.listed = false;
    this.#size -= 1;
    return true;
  }
}
