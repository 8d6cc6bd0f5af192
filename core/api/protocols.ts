// What clients of the auth API ask for by ALPN. Apart from web.ts, which is about the public port of a proxy.
import { AUTH_PROTOCOL } from './web.ts';

/** The auth server takes both, and speaks HTTP/1.1 in either case; by the first one a proxy passes the bytes on. */
export const API_PROTOCOLS: readonly string[] = [AUTH_PROTOCOL, 'http/1.1'];
