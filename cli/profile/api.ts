// The auth API as the user of a login.
import { openApi, type Api } from '#client/api.ts';
import type { Profile } from './profile.ts';

/** Opens nothing yet; the caller closes it. */
export function openProfileApi(profile: Profile): Api {
  const { tls_certificate: certificate, tls_private_key: privateKey } = profile;
  return openApi({
    addresses: profile.auth_servers,
    authorities: profile.tls_authorities,
    identity: { certificate, privateKey },
  });
}
