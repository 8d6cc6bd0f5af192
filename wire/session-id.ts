// How a proxy that records tells the server with an agent which id the session has, so that recording and events of the
// server have the same. Both ends must spell it alike. Servers take it only on connections of certificates for proxies.
import { payload, text, type PayloadCodec } from './ssh/payload-codec.ts';

/** A request of a session channel, before its program is asked for. */
export const SESSION_ID_REQUEST = 'session-id@gatehouse.dev';

const MAX_ID_BYTES = 64;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const sessionIdRequest: PayloadCodec<{ readonly id: string }> = payload(SESSION_ID_REQUEST, {
  id: text(MAX_ID_BYTES),
});

/** A UUID in lower case. */
export const isSessionId = (text: string): boolean => ID.test(text);
