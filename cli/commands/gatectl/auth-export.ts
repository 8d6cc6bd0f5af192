// `gatectl auth export`: public keys of an authority in the form that others read.
import { knownHostsCertAuthorityLine, parseAuthorizedKey, publicKeyLine } from '#core/certs/ssh/lines.ts';
import type { Resource } from '#core/resource.ts';
import { certAuthorityKind, type CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';

const TYPES = ['user', 'host', 'tls-user', 'tls-host', 'db'] as const;
type Type = (typeof TYPES)[number];

/** Type → name of the authority. */
const AUTHORITY: Readonly<Record<Type, string>> = {
  user: 'user',
  host: 'host',
  'tls-user': 'user',
  'tls-host': 'host',
  db: 'db',
};

export const authExport = command({
  about: `user      SSH keys for TrustedUserCAKeys of sshd
host      @cert-authority lines for known_hosts
tls-user  certificates in PEM, to check clients by
tls-host  certificates in PEM, to check servers by
db        certificates in PEM, for databases to check their clients by`,
  flags: { type: flag.oneOf(TYPES, { says: 'Which, see above; needed.' }) },
  examples: [
    'gatectl auth export --type=user > /etc/ssh/gatehouse_user_ca.pub',
    'gatectl auth export --type=host >> ~/.ssh/known_hosts',
  ],
  async run(context: Gatectl, { flags: { type } }) {
    if (type === undefined) throw usage(`--type is missing: one of ${TYPES.join(', ')}`);
    const api = await context.api();
    const authority = await api.get(certAuthorityKind, AUTHORITY[type]);
    const lines = exportLines(type, authority);
    await context.out.show({ type, keys: lines }, () => {
      for (const line of lines) context.out.line(oneLine(line));
    });
  },
});

/** Current keys, and those that are trusted besides during a rotation. */
function exportLines(type: Type, { spec }: Resource<CertAuthoritySpec>): string[] {
  const sets = [spec.active_keys, spec.additional_trusted_keys];
  if (type === 'user' || type === 'host') {
    const keys = sets.flatMap(({ ssh }) => ssh.map(({ public_key }) => parseAuthorizedKey(public_key).key));
    const { cluster_name: cluster } = spec;
    return type === 'user'
      ? keys.map((key) => publicKeyLine(key, `gatehouse-user-ca-${cluster}`))
      : keys.map((key) => knownHostsCertAuthorityLine([`*.${cluster}`, cluster], key, 'type=host'));
  }
  return sets.flatMap(({ tls }) => tls.flatMap(({ cert }) => cert.trimEnd().split('\n')));
}
