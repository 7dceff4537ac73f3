/** One entry of a bundle, whatever the archive's format. Nothing about it has been judged yet. */
export type BundleEntry =
  | { kind: 'directory'; name: string }
  /** `content` yields `bytes` bytes or throws; it is to be read before the next entry, if at all. */
  | { kind: 'file'; name: string; bytes: number; executable: boolean; content: () => AsyncIterable<Buffer> }
  | { kind: 'link'; name: string; target: string };

export type BundleFormat = 'tar.gz' | 'zip';
