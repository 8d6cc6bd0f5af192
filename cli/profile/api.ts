// The auth API as the user of a login.
import { openApi, type Api } from '#client/api.ts';
import { authDialer } from '#client/outbound/auth-dial.ts';
import type { Io } from '../io.ts';
import type { Profile } from './profile.ts';

/** Opens nothing yet; the caller closes it. */
export function openProfileApi({ env }: Pick<Io, 'env'>, profile: Profile): Api {
  const { tls_certificate: certificate, tls_private_key: privateKey } = profile;
  return openApi({
    addresses: profile.auth_servers,
    authorities: profile.tls_authorities,
    identity: { certificate, privateKey },
    dial: authDialer({ environment: env }),
  });
}
