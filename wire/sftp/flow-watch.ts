// Whoever sees the bytes of a file transfer go by: of SFTP (watch.ts) or of the old scp (scp-watch.ts). Contract only; used
// by nodes, and by proxies that record.

/** Bytes of the client are `input`. It must be quick, and keep nothing. */
export interface FlowWatch {
  input(data: Buffer): void;
  output(data: Buffer): void;
  /** No more will come. */
  end(): void;
}
