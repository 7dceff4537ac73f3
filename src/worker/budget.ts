/**
 * How many instances of all lambdas live in this worker, and who gets the next place.
 *
 * While there are places, everybody gets one at once. When there are none, the instance that has
 * been idle longest is ended for the one who asks; when none is idle, lambdas with many instances
 * give up those that become free (scale.ts says when) to the poorest that waits. While memory is short
 * there are as many places as instances are left (memory-watch.ts).
 */
import { LinkedList } from '../lib/linked-list.ts';
import type { Instance } from './instance.ts';
import { mustYield } from './scale.ts';

export interface Tenant {
  /** Instances it has, those that are ending excluded. */
  readonly live: number;
  /** Whether it still wants one. */
  wantsInstance(): boolean;
  /** Starts one: the place is taken. */
  startInstance(): void;
  /** Whether it would have one more that nobody waits for yet. */
  wantsAhead(): boolean;
  /** Starts that one: the place is taken. */
  startAhead(): void;
}

/** What an instance is taken to use of which nothing is known yet: a bare Python that has been forked. */
const BYTES_LEAST = 1 << 20;

export class Budget {
  readonly #instancesMax: number;
  /** How many there may be now: fewer while memory is short, but always one. */
  #places: number;
  #taken = 0;
  /** Of those taken, how many will be free soon. */
  #ending = 0;
  /** The one that has been idle longest comes first. */
  readonly #idle = new LinkedList<Instance>();
  /** Who waits for a place, and since when; in order of arrival. */
  readonly #wanting = new Map<Tenant, number>();
  /** Who would have one ahead of demand: they get the places that nobody waits for, and nobody else's instance. */
  readonly #hoping = new Set<Tenant>();

  constructor(instancesMax: number) {
    this.#instancesMax = instancesMax;
    this.#places = instancesMax;
  }

  /** Instances that live, those that are ending included. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Memory is short: ends idle instances until `bytes` are given back, as far as there are any, and makes no
   * more than are left then. `sizes` is what each sandbox uses. Returns how many are being ended.
   */
  squeeze(bytes: number, sizes: ReadonlyMap<string, number>): number {
    let missing = bytes;
    let ended = 0;
    for (let { first } = this.#idle; first !== undefined && missing > 0; { first } = this.#idle) {
      missing -= Math.max(sizes.get(first.view().sandboxId ?? '') ?? 0, BYTES_LEAST);
      ended += 1;
      this.#idle.remove(first);
      void first.end();
    }
    this.#places = Math.max(1, Math.min(this.#taken - this.#ending, this.#instancesMax));
    return ended;
  }

  /** Memory is not short, or no longer. */
  relax(): void {
    if (this.#places === this.#instancesMax) return;
    this.#places = this.#instancesMax;
    this.#serve();
  }

  /** Starts instances of the tenant as soon as there are places for them, which may be now. */
  want(tenant: Tenant): void {
    if (this.#wanting.has(tenant)) return;
    this.#wanting.set(tenant, performance.now());
    this.#serve();
  }

  /** Starts instances of the tenant ahead of demand as soon as there are places to spare, which may be now. */
  hope(tenant: Tenant): void {
    this.#hoping.add(tenant);
    this.#serve();
  }

  idle(instance: Instance): void {
    this.#idle.push(instance);
    if (this.#wanting.size > 0) this.#serve();
  }

  busy(instance: Instance): void {
    this.#idle.remove(instance);
  }

  ending(instance: Instance): void {
    this.#idle.remove(instance);
    this.#ending += 1;
  }

  gone(): void {
    this.#ending -= 1;
    this.#taken -= 1;
    this.#serve();
  }

  /** Whether the tenant must end an instance that has just become free, for somebody poorer. */
  mustYield(tenant: Tenant): boolean {
    if (this.#wanting.size <= this.#ending) return false;
    const poorest = this.#poorest(tenant);
    if (poorest === undefined) return false;
    const waitMs = performance.now() - (this.#wanting.get(poorest) as number);
    return mustYield(tenant.live, { live: poorest.live, waitMs });
  }

  #serve(): void {
    while (this.#wanting.size > 0 && this.#taken < this.#places) {
      const tenant = this.#poorest() as Tenant;
      this.#wanting.delete(tenant);
      if (!tenant.wantsInstance()) continue;
      this.#taken += 1;
      tenant.startInstance();
      // Back to the end of the line, so that nobody takes all places in one go.
      if (tenant.wantsInstance() && !this.#wanting.has(tenant)) this.#wanting.set(tenant, performance.now());
    }
    for (const tenant of this.#wanting.keys()) if (!tenant.wantsInstance()) this.#wanting.delete(tenant);
    for (let { first } = this.#idle; first !== undefined && this.#ending < this.#wanting.size; { first } = this.#idle) {
      this.#idle.remove(first);
      void first.end();
    }
    if (this.#wanting.size === 0) this.#spare();
  }

  #spare(): void {
    for (const tenant of this.#hoping) {
      while (this.#taken < this.#places && tenant.wantsAhead()) {
        this.#taken += 1;
        tenant.startAhead();
      }
      if (!tenant.wantsAhead()) this.#hoping.delete(tenant);
    }
  }

  #poorest(except?: Tenant): Tenant | undefined {
    let poorest: Tenant | undefined;
    for (const tenant of this.#wanting.keys()) {
      if (tenant !== except && (poorest === undefined || tenant.live < poorest.live)) poorest = tenant;
    }
    return poorest;
  }
}
