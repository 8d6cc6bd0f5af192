// What TLS is spoken with on the ports of the proxy.
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/** 1.3 picks its own; for 1.2 only forward secrecy with authenticated encryption is left. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export const WEB_TLS: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  ciphers: CIPHERS,
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
};

/** Where the client shows who it is: each connection does so itself. */
export const MEMBER_TLS: SecureContextOptions = {
  ...WEB_TLS,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
};

/** Where a client may come again without showing its certificate: tickets of this context alone, which hold it. */
export const RESUMED_TLS: SecureContextOptions = {
  ...WEB_TLS,
  sessionIdContext: 'gatehouse-target',
  sessionTimeout: 300,
};

export const HANDSHAKE_MS = 10_000;
