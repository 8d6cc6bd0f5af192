// Where servers get the sockets they listen on: bound anew, or taken over from the process that is being replaced, so that
// no connection is refused in between. Only the contract: the daemon has the sockets, the rooms with servers use them.

export interface ListenAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** For `server.listen`; where there is a descriptor, the address is not looked at. */
export interface ListenTarget extends ListenAddress {
  readonly fd?: number;
}

export interface ListeningSockets {
  /** What to listen on for this setting, such as `proxy_service.web_listen_addr`. A descriptor is given once. */
  claim(setting: string, address: ListenAddress): ListenTarget;
  /** The server listens; as long as it does, its socket can be handed to another process. */
  opened(setting: string, address: ListenAddress, server: object): void;
}

/** Sockets of nobody else: each is bound anew. */
export const newSockets: ListeningSockets = {
  claim: (_setting, address) => address,
  opened: () => {},
};
