// What a proxy asks for that ends SSH sessions itself: the name of the server towards the person, and the way to the
// server for the person. Apart from login.ts, which is for people.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

const node = s.string({ minLength: 1, maxLength: 253 });
const publicKey = s.string({ minLength: 1, maxLength: 8192 });

const relayCertificate = s.object({ ssh_certificate: s.string(), expires: s.timestamp() });

export const relayHost = endpoint({
  method: 'POST',
  path: '/v1/certificates/relay-host',
  says: 'For proxies: a short host certificate with the names of a server whose sessions this proxy must record.',
  request: s.object({ node, ssh_public_key: publicKey }),
  reply: relayCertificate,
});

export const relayUser = endpoint({
  method: 'POST',
  path: '/v1/certificates/relay',
  says: 'For proxies: a short certificate for one login on one server, from the certificate that its user has shown.',
  request: s.object({
    node,
    login: s.string({ minLength: 1, maxLength: 253 }),
    /** As in a *-cert.pub file; the proxy has seen the proof that the user holds its key. */
    certificate: s.string({ minLength: 1, maxLength: 96 * 1024 }),
    /** IP of the user's client. */
    address: s.string({ minLength: 1, maxLength: 64 }),
    ssh_public_key: publicKey,
  }),
  reply: relayCertificate,
});

/** A certificate with this extension is good on the server of this id only. */
export const RELAY_NODE_EXTENSION = 'relay-node@gatehouse.dev';

/**
 * The name that a certificate of `relayUser` has besides the login: a sshd that takes no other lets nobody in who did not
 * come through a proxy, and no certificate for another server.
 */
export const relayPrincipal = (nodeId: string, login: string): string => `gatehouse:${nodeId}:${login}`;
