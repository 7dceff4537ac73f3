import { expect, test } from 'vitest';
import { type Linked, LinkedList } from '../../../src/lib/linked-list.ts';

class Member implements Linked<Member> {
  readonly name: string;
  before: Member | undefined;
  behind: Member | undefined;
  listed = false;

  constructor(name: string) {
    this.name = name;
  }
}

function listed(list: LinkedList<Member>): string {
  let names = '';
  for (let member = list.first; member !== undefined; member = member.behind) names += member.name;
  return names;
}

test('members stand in the order in which they came, whoever leaves, and who has left may come again', () => {
  const list = new LinkedList<Member>();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Member(name)) as [Member, Member, Member, Member];
  for (const member of [a, b, c, d]) list.push(member);
  expect([listed(list), list.size]).toEqual(['abcd', 4]);
  list.remove(b);
  list.remove(a);
  list.push(a);
  list.remove(d);
  expect([listed(list), list.size, list.first?.name]).toEqual(['ca', 2, 'c']);
  list.remove(c);
  list.remove(a);
  expect([listed(list), list.size, list.first]).toEqual(['', 0, undefined]);
});

test('who has left holds nobody, and leaves no second time', () => {
  const list = new LinkedList<Member>();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new Member(name)) as [Member, Member, Member];
  for (const member of [a, b, c]) list.push(member);
  expect(list.remove(b)).toBe(true);
  expect([b.before, b.behind]).toEqual([undefined, undefined]);
  expect(list.remove(b)).toBe(false);
  expect([listed(list), list.size]).toEqual(['ac', 2]);
  expect(() => list.push(a)).toThrow('already');
});
