// A login's certificates through all of issuing: roles compiled and judged, keys read, plans made and checked, both
// certificates signed. Only the audit log is left out, which has a benchmark of its own. The reference is the bare signing
// of the same pair, so the ratio is what the decisions cost.
import { issueUser } from '#auth/issue/user.ts';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { publicKeyFromPem } from '#core/certs/x509/keys.ts';
import { makeKeyTexts, startTestAuth } from '../kit/auth-context.ts';
import { makeRole, makeUser } from '../kit/state.ts';
import { compare, printHeading } from './kit.ts';

const PAIRS = 300;
/** Users log in with new keys; a few are enough that none is known by heart. */
const KEYS = Array.from({ length: PAIRS }, makeKeyTexts);

printHeading('certificates of one login, through all of issuing');
const { context, authorities, state, clock, close } = await startTestAuth();
await state.write([
  { do: 'create', resource: makeRole('dev', { logins: ['{{internal.logins}}'], node_labels: { '*': '*' } }) },
  { do: 'create', resource: makeUser('alice', ['dev'], { logins: ['alice', 'root'] }) },
]);
const validity = { validAfter: clock.now() - 60_000, validBefore: clock.now() + 12 * 3_600_000 };
await compare({
  name: 'issueUser, beside signing alone',
  ours: async () => {
    for (const keys of KEYS) await issueUser(context, { user: 'alice', keys, method: 'local' });
  },
  reference: () => {
    for (const keys of KEYS) {
      const subject = parseAuthorizedKey(keys.ssh_public_key).key.blob;
      const common = { keyId: 'alice', principals: ['alice', 'root'], criticalOptions: {}, extensions: {} };
      authorities.signSsh('user', { type: 'user', subject, ...common, ...validity });
      authorities.signTls('user', {
        subject: publicKeyFromPem(keys.tls_public_key),
        commonName: 'alice',
        organization: ['dev'],
        usage: 'client',
        dnsNames: [],
        ipAddresses: [],
        ...validity,
      });
    }
  },
  operations: PAIRS,
  unit: 'pairs',
});
await close();
