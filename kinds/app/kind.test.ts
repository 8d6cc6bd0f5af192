import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf, writeProblemsOf } from '#test/kit/resources.ts';
import { kindOf } from '../all.ts';
import { appKind, appLabels, isAwsApp } from './kind.ts';

const app = (spec: object, name = 'grafana'): object => ({
  kind: 'app',
  version: 'v3',
  metadata: { name, labels: { env: 'prod' } },
  spec: { uri: 'http://localhost:3000', ...spec },
});
const rewrite = (header: unknown): object => app({ rewrite: { headers: [header] } });

describe('app', () => {
  it('ok: the example', () => {
    const [grafana, console] = exampleOf('app', appKind);
    expect(isAwsApp(grafana!.spec as never)).toBe(false);
    expect(isAwsApp(console!.spec as never)).toBe(true);
  });

  it('ok: by every word for it', () => {
    for (const word of ['app', 'apps', 'application']) expect(kindOf(word)).toBe(appKind);
  });

  it('ok: the row, and labels of commands', () => {
    const dynamic_labels = { host: { period: '1h', command: 'hostname', result: 'a' } };
    const resource = parseResource(appKind, app({ public_addr: 'grafana.example.com', dynamic_labels }));
    expect(appLabels(resource)).toEqual({ env: 'prod', host: 'a' });
    expect(appKind.columns.map(({ value }) => value(resource))).toEqual([
      'grafana',
      'http://localhost:3000',
      'grafana.example.com',
      'env:prod,host:a',
    ]);
  });

  it.each([
    'https://console.aws.amazon.com',
    'https://console.amazonaws.cn/x',
    'https://console.amazonaws-us-gov.com',
  ])('ok: %s is a console of AWS', (uri) => expect(isAwsApp({ uri })).toBe(true));
  it.each([
    'http://console.aws.amazon.com',
    'https://console.aws.amazon.com.evil.example',
    'https://evil.example/console.aws.amazon.com',
    'https://console.aws.amazon.com@evil.example/',
  ])('refuses: %s as a console of AWS', (uri) => expect(isAwsApp({ uri })).toBe(false));

  it.each([
    ['a name with capitals', app({}, 'Grafana'), 'metadata.name: must be a label of a host name'],
    ['a name with a dot', app({}, 'a.b'), 'metadata.name: must be a label of a host name'],
    ['a long name', app({}, 'a'.repeat(64)), 'metadata.name: must be a label of a host name'],
    ['another protocol', app({ uri: 'tcp://localhost:1' }), 'spec.uri: must begin with http'],
    ['a script', app({ uri: 'javascript:alert(1)' }), 'spec.uri: must begin with http'],
    ['no URL', app({ uri: 'localhost:3000/x y' }), 'spec.uri: must'],
    ['a password', app({ uri: 'http://a:b@localhost' }), 'spec.uri: must not hold a user'],
    ['a fragment', app({ uri: 'http://localhost/#x' }), 'spec.uri: must have no part after #'],
    ['S25 a metadata service', app({ uri: 'http://169.254.169.254/' }), 'spec.uri: must not be a metadata'],
    ['S25 it in octal', app({ uri: 'http://0251.0376.0251.0376/' }), 'spec.uri: must not be a metadata'],
    ['S25 it in IPv6', app({ uri: 'http://[fd00:ec2::254]/' }), 'spec.uri: must not be a metadata'],
    ['S25 link-local', app({ uri: 'http://[fe80::1]/' }), 'spec.uri: must not be a metadata'],
    ['S25 its name', app({ uri: 'http://metadata.google.internal/' }), 'spec.uri: must not be a metadata'],
    ['S25 this host', app({ uri: 'http://0.0.0.0/' }), 'spec.uri: must not be a metadata'],
    [
      'an address as public address',
      app({ public_addr: '10.0.0.1' }),
      'spec.public_addr: must be a host name',
    ],
    ['a port in it', app({ public_addr: 'a.example.com:80' }), 'spec.public_addr: must be a host name'],
    ['a bare label', app({ public_addr: 'localhost' }), 'spec.public_addr: must be a host name'],
    ['a header without a value', rewrite('x'), 'spec.rewrite.headers[0]: must be a name and a value'],
    [
      'a header that is two',
      rewrite({ name: 'a', value: 'b\r\nc: d' }),
      'spec.rewrite.headers[0]: must have',
    ],
    ['a header name with a space', rewrite('a b: c'), 'spec.rewrite.headers[0]: must be a name and a value'],
    ['an external id', app({ aws: { external_id: 'a b' } }), 'spec.aws.external_id: must be 2 to 1224'],
    ['a word of claims', app({ rewrite: { jwt_claims: 'all' } }), 'spec.rewrite.jwt_claims: must be one of'],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(appKind, document)).toEqual([expect.stringContaining(message)]);
  });

  it('refuses: the public address of another application', () => {
    const at = (name: string) => parseResource(appKind, app({ public_addr: 'g.example.com' }, name));
    expect(writeProblemsOf(appKind as never, at('grafana'), [at('other')])).toEqual([
      'spec.public_addr: is the public address of app/other already',
    ]);
    expect(writeProblemsOf(appKind as never, at('grafana'), [at('grafana')])).toEqual([]);
    const none = parseResource(appKind, app({}));
    expect(writeProblemsOf(appKind as never, none, [at('other')])).toEqual([]);
  });
});
