/**
 * OpenLambda's own settings and what has become of them, so that whoever brings a configuration
 * along is told the new name instead of "unknown". Lower case: OpenLambda ignored case.
 */
const TWINS: ReadonlyMap<string, string> = new Map([
  ['pkgs_dir', 'it is "packages_dir" here'],
  ['sock_base_path', 'it is "base" here (a directory or a tarball)'],
  ['max_runners', 'the nearest is "limits.concurrency": an instance serves one event at a time here'],
  ['handler_cache_size', 'it is "instances_memory_mb" here, in MiB'],
  ['import_cache_size', 'this version has no import cache to size'],
  ['cg_pool_size', 'it is "pool_size" here: whole sandboxes wait, not only their cgroups'],
  ['sandbox_config', 'its "processes" is "limits.procs" here'],
  ['cluster_name', 'a cluster is named by its directory'],
  ['startup_pkgs', '`admin packages install` installs what lambdas need before they are called'],
  ['benchmark_log', '`npm run bench` measures'],
  ['log_output', '`admin logs` shows what handlers print, always'],
  ['timing', 'set "log_level" to "debug"'],
  ['skip_pull_existing', 'nothing is pulled here'],
  ['registry_access_key', 'it is "access_key" in the file that "registry_keys_file" names here'],
  ['registry_secret_key', 'it is "secret_key" in the file that "registry_keys_file" names here'],
  ['worker_url', 'it is "worker_host" here'],
  ['mem_pool_mb', 'it is "instances_memory_mb" here'],
  ['limits.mem_mb', 'it is "limits.memory_mb" here'],
  ['limits.runtime_sec', 'it is "limits.timeout_ms" here, in milliseconds'],
  ['limits.swappiness', 'a sandbox never swaps here'],
]);

/** What to do instead, if OpenLambda had this setting. */
export function openlambdaTwin(key: string): string | undefined {
  return TWINS.get(key.toLowerCase());
}
