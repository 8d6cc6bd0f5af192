// Where a connection comes from, as every service of the proxy is told: the person's client, also when a balancer or
// another proxy is in between.

export interface Origin {
  /** `ip:port` of the client. */
  readonly remoteAddress: string;
  /** `ip:port` that it reached. */
  readonly localAddress: string;
}

/** The address alone, without brackets. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

/** `ip:port`, with an IPv4 address in its own spelling also on a socket for both families. */
export function formatPeer(address: string | undefined, port: number | undefined): string {
  const plain = (address ?? '').replace(/^::ffff:(?=\d+\.)/, '').split('%', 1)[0] ?? '';
  return plain.includes(':') ? `[${plain}]:${port ?? 0}` : `${plain}:${port ?? 0}`;
}
