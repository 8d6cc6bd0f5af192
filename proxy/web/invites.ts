// Passes the two calls of the sign-up page on to auth, for the person whose browser asks: auth is told their address, so
// that its limits and its log are about them and not about the proxy.
import { encode } from 'uqr';
import { acceptInvite, openInvite } from '#core/api/login.ts';
import type { Endpoint } from '#core/api/endpoint.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Infer } from '#core/schema/schema.ts';
import { openApi } from '#client/api.ts';
import type { AuthDoor } from '../listen/auth-door.ts';
import type { Origin } from '../listen/origin.ts';

export interface InvitesOptions {
  readonly authDoor: Pick<AuthDoor, 'dial'>;
  /** The host authority (PEM) that auth is proven by. */
  readonly authorities: () => readonly string[];
}

export interface QrCode {
  /** Modules per side, the quiet zone included. */
  readonly size: number;
  /** The dark ones, as the path of an SVG. */
  readonly path: string;
}

export interface OpenedInvite {
  readonly user: string;
  readonly purpose: string;
  readonly second_factor: string;
  readonly expires: string;
  readonly otp?: { readonly secret: string; readonly qr: QrCode };
}

export interface Invites {
  /** Errors are those of auth, UNAVAILABLE when it cannot be reached. */
  open(token: string, origin: Origin): Promise<OpenedInvite>;
  accept(request: Infer<typeof acceptInvite.request>, origin: Origin): Promise<{ readonly user: string }>;
}

const TIMEOUT_MS = 15_000;

export function relayInvites({ authDoor, authorities }: InvitesOptions): Invites {
  const call = async <B, R>(endpoint: Endpoint<B, R>, request: B, origin: Origin): Promise<R> => {
    const api = openApi({
      // Where it is does not matter: the door knows, and the certificate proves.
      addresses: ['auth:0'],
      authorities: authorities(),
      timeoutMs: TIMEOUT_MS,
      dial: () => authDoor.dial(origin),
    });
    try {
      return await api.call(endpoint, request);
    } finally {
      api.close();
    }
  };
  return {
    async open(token, origin) {
      const { otp_uri: uri, ...invite } = await call(openInvite, { token }, origin);
      return uri === undefined ? invite : { ...invite, otp: { secret: secretOf(uri), qr: qrOf(uri) } };
    },
    accept: (request, origin) => call(acceptInvite, request, origin),
  };
}

function secretOf(uri: string): string {
  const secret = new URL(uri).searchParams.get('secret');
  if (secret === null) throw new GatehouseError('INTERNAL', 'the one-time password has no secret');
  return secret;
}

/** Runs of dark modules as rectangles of one path. */
export function qrOf(text: string): QrCode {
  const { data, size } = encode(text, { ecc: 'M', border: 4 });
  const runs: string[] = [];
  data.forEach((row, y) => {
    for (let x = 0; x < row.length; x++) {
      const start = x;
      while (row[x] === true) x++;
      if (x > start) runs.push(`M${start} ${y}h${x - start}v1h-${x - start}z`);
    }
  });
  return { size, path: runs.join('') };
}
