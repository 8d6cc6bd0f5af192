// Calls of proxies about people in browsers: web sessions, the way from there to an application, and the tokens by which
// an application knows who comes. Cookies are made of what they answer; auth keeps hashes.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

const id = s.string({ minLength: 1, maxLength: 128 });
const secret = s.string({ minLength: 1, maxLength: 128, secret: true });
const address = s.string({ minLength: 1, maxLength: 64, description: 'IP of the person’s client.' });

/** What a cookie is made of: neither half is good without the other. */
const ownSession = { id, secret } as const;

export const createWebSession = endpoint({
  method: 'POST',
  path: '/v1/web/sessions',
  says: 'Password and second factor for a session in a browser; needs no identity.',
  request: s.object({
    user: s.string({ minLength: 1, maxLength: 253 }),
    password: s.string({ minLength: 1, maxLength: 1024, secret: true }),
    otp: s.optional(s.string({ maxLength: 16, secret: true })),
  }),
  reply: s.object({ ...ownSession, user: s.string(), expires: s.timestamp() }),
});

export const openWebSession = endpoint({
  method: 'POST',
  path: '/v1/web/sessions/open',
  says: 'For proxies: whose session it is that a cookie names.',
  request: s.object({ ...ownSession, address }),
  reply: s.object({ identity: s.json(), expires: s.timestamp() }),
});

export const endWebSession = endpoint({
  method: 'POST',
  path: '/v1/web/sessions/end',
  says: 'For proxies: ends the session that a cookie names, of the web or of one application, and what was made from it.',
  request: s.object({ ...ownSession, address }),
  reply: s.object({}),
});

export const endOwnWebSessions = endpoint({
  method: 'DELETE',
  path: '/v1/web/sessions',
  says: 'Ends every session that the calling user has in browsers.',
  request: s.object({}),
  reply: s.object({ ended: s.integer() }),
});

export const launchApp = endpoint({
  method: 'POST',
  path: '/v1/web/launches',
  says: 'For proxies: a code that is good once, for a minute, to begin a session with one application.',
  request: s.object({
    ...ownSession,
    address,
    app: s.string({ minLength: 1, maxLength: 63 }),
    aws_role: s.optional(s.string({ maxLength: 2048 })),
    /** SHA-256 (base64url) of what the browser holds for the application’s origin. */
    state: s.string({ minLength: 43, maxLength: 43 }),
  }),
  reply: s.object({ code: secret }),
});

export const createAppSession = endpoint({
  method: 'POST',
  path: '/v1/web/app-sessions',
  says: 'For proxies: the session of an application, for the code of a launch and what its browser holds.',
  request: s.object({
    code: secret,
    /** What `state` of the launch is the hash of. */
    nonce: s.string({ minLength: 1, maxLength: 128, secret: true }),
    app: s.string({ minLength: 1, maxLength: 63 }),
    address,
  }),
  reply: s.object({ ...ownSession, expires: s.timestamp() }),
});

export const openAppSession = endpoint({
  method: 'POST',
  path: '/v1/web/app-sessions/open',
  says: 'For proxies: the certificate of an application’s session that a cookie names.',
  request: s.object({ ...ownSession, app: s.string({ minLength: 1, maxLength: 63 }), address }),
  reply: s.object({
    /** Base64 of DER. Nobody has its key. */
    certificate: s.string(),
    expires: s.timestamp(),
  }),
});

/** What the token is for: the application itself, or AWS. */
export const TOKEN_PURPOSES = ['app', 'aws'] as const;

export const appToken = endpoint({
  method: 'POST',
  path: '/v1/tokens/app',
  says: 'For agents: a signed token (JWT) that says who uses an application, from the certificate that was shown.',
  request: s.object({
    /** Base64 of DER. */
    certificate: s.string({ minLength: 4, maxLength: 24 * 1024 }),
    purpose: s.withDefault(s.enumOf(TOKEN_PURPOSES), 'app'),
  }),
  reply: s.object({ token: s.string({ secret: true }), expires: s.timestamp() }),
});
