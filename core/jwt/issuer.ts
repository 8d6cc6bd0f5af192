// Under which URL the cluster vouches for tokens outside of it. In core because auth writes it into tokens and proxies
// publish the same one; pure.

/** `host:port` of a proxy as an issuer of OpenID Connect: without the port that the scheme implies. */
export function issuerOf(publicAddress: string): string {
  return `https://${publicAddress.replace(/:443$/, '')}`;
}
