import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { kindOf } from '../all.ts';
import { dbKind, dbLabels } from './kind.ts';

const db = (spec: object, name = 'orders'): object => ({
  kind: 'db',
  version: 'v3',
  metadata: { name, labels: { env: 'prod' } },
  spec: { protocol: 'postgres', uri: 'db.example.com:5432', ...spec },
});
const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

describe('db', () => {
  it('ok: the example', () => expect(exampleOf('db', dbKind)).toHaveLength(2));

  it('ok: by every word for it', () => {
    for (const word of ['db', 'dbs', 'database', 'databases']) expect(kindOf(word)).toBe(dbKind);
  });

  it('ok: names may have dots, and what is left out has its default', () => {
    expect(parseResource(dbKind, db({}, 'orders.eu-1')).spec).toEqual({
      protocol: 'postgres',
      uri: 'db.example.com:5432',
      tls: { mode: 'verify-full' },
      aws: {},
    });
  });

  it('ok: the older place of ca_cert is the same as the newer, which wins', () => {
    const other = PEM.replace('AAAA', 'BBBB');
    const { spec } = parseResource(dbKind, db({ ca_cert: PEM }));
    expect(spec).toMatchObject({ tls: { mode: 'verify-full', ca_cert: PEM } });
    expect(spec).not.toHaveProperty('ca_cert');
    const both = parseResource(dbKind, db({ ca_cert: PEM, tls: { ca_cert: other } }));
    expect(both.spec.tls.ca_cert).toBe(other);
  });

  it('ok: the result of a command is a label and wins over a static one', () => {
    const dynamic_labels = {
      env: { period: '1h', command: 'x', result: 'stage' },
      arch: { period: '1h', command: ['uname', '-m'] },
    };
    const resource = parseResource(dbKind, db({ dynamic_labels }));
    expect(dbLabels(resource)).toEqual({ env: 'stage', arch: '' });
    expect(dbKind.columns.map(({ value }) => value(resource))).toEqual([
      'orders',
      'postgres',
      'db.example.com:5432',
      'arch:,env:stage',
    ]);
  });

  const key = generateKeyPair('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
  it.each([
    ['another protocol', db({ protocol: 'mysql' }), 'spec.protocol: must be one of postgres'],
    ['no port', db({ uri: 'db.example.com' }), 'spec.uri: must be host:port'],
    ['a port of 0', db({ uri: 'db.example.com:0' }), 'spec.uri: must be host:port'],
    ['S25 a metadata service', db({ uri: '169.254.169.254:80' }), 'spec.uri: must not be a metadata service'],
    ['S25 it as one number', db({ uri: '2852039166:80' }), 'spec.uri: must not be a metadata service'],
    ['S25 it inside IPv6', db({ uri: '[::ffff:169.254.169.254]:80' }), 'spec.uri: must not be a metadata'],
    ['S25 its name', db({ uri: 'METADATA.google.internal.:80' }), 'spec.uri: must'],
    ['a name with a slash', db({}, 'a:b'), 'metadata.name: must be 1 to 128 letters'],
    ['a mode', db({ tls: { mode: 'prefer' } }), 'spec.tls.mode: must be one of'],
    ['no PEM', db({ tls: { ca_cert: 'x' } }), 'spec.tls.ca_cert: must be certificates in PEM'],
    ['a private key for a certificate', db({ ca_cert: String(key) }), 'spec.tls.ca_cert: must be'],
    ['a region', db({ aws: { region: 'moon' } }), 'spec.aws.region: must be a region of AWS'],
    ['a short account', db({ aws: { account_id: '123' } }), 'spec.aws.account_id: must be the twelve digits'],
    [
      'a role with a wildcard',
      db({ aws: { assume_role_arn: 'arn:aws:iam::123456789012:role/*' } }),
      'one IAM role',
    ],
    [
      'an external id with a space',
      db({ aws: { external_id: 'a b' } }),
      'spec.aws.external_id: must be 2 to',
    ],
    ['a slip', db({ admin_usr: {} }), 'spec.admin_usr: is not a known field; did you mean "admin_user"?'],
    ['a field of RDS', db({ aws: { rds: { instance: 'x' } } }), 'spec.aws.rds.instance'],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(dbKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
