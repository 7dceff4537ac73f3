import { statfsSync } from 'node:fs';

/** File systems that others change without this kernel's knowledge, by the type that statfs(2) gives. */
const REMOTE_TYPES = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE'],
  [0x786f4256, 'a VirtualBox share'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
]);

/** Why watching a path for changes cannot be relied on; undefined if it can. */
export function remoteFileSystem(path: string): string | undefined {
  const name = REMOTE_TYPES.get(Number(statfsSync(path).type) >>> 0);
  return name === undefined ? undefined : `${name} does not tell who else changes it`;
}
