/** By which ids the sandboxes of a cluster are told apart, in its worker's own words. */
import { request, type TestCluster } from './cluster.ts';

export async function statusOf(cluster: TestCluster): Promise<{ uses: string[]; weaker: string[] }> {
  const { json } = await request(`${cluster.url()}/status`, { headers: { accept: 'application/json' } });
  return json as { uses: string[]; weaker: string[] };
}

export async function hasSubIds(cluster: TestCluster): Promise<boolean> {
  const { uses } = await statusOf(cluster);
  return uses.some((use) => use.includes('sub-ids'));
}
