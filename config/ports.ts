// The documented port of each service, in one place.

export const PORTS = {
  /** SSH of a node. */
  node: 3022,
  /** SSH of the proxy. */
  proxySsh: 3023,
  /** Tunnels of agents to the proxy. */
  proxyTunnel: 3024,
  /** Other proxies. */
  proxyPeer: 3021,
  /** API of the auth service. */
  auth: 3025,
  /** Kubernetes API of the proxy. */
  kubernetes: 3026,
  /** HTTPS of the proxy. */
  web: 3080,
  /** Health and metrics, when an address without a port is given. */
  diagnostics: 3000,
} as const;
