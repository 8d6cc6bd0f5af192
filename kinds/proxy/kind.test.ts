import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { proxyKind } from './kind.ts';

const proxy = (spec: object): object => ({
  kind: 'proxy',
  metadata: { name: 'p1' },
  spec: { hostname: 'proxy-1', ...spec },
});

describe('proxy', () => {
  it('ok: the example, with its row', () => {
    const [example] = exampleOf('proxy', proxyKind);
    expect(proxyKind.columns.map((column) => column.value(example as never)).slice(0, 1)).toEqual([
      'proxy-1',
    ]);
    expect(proxyKind.columns.map((column) => column.value(example as never)).slice(2)).toEqual([
      'gatehouse.example.com:443',
      '0.1.0',
    ]);
  });

  it('ok: one address may stand without a list', () => {
    const parsed = parseResource(proxyKind, proxy({ public_addrs: 'a.example.com:443' }));
    expect(parsed.spec).toMatchObject({
      public_addrs: ['a.example.com:443'],
      tunnel_addrs: [],
      peer_addr: '',
    });
  });

  it.each([
    ['no host name', { hostname: '' }, 'spec.hostname: must not be empty'],
    ['an empty address', { public_addrs: [''] }, 'spec.public_addrs[0]: must not be empty'],
    ['a slip', { public_addr: 'x' }, 'spec.public_addr: is not a known field; did you mean "public_addrs"?'],
  ])('refuses: %s', (_name, spec, message) => {
    expect(problemsOf(proxyKind, proxy(spec))).toEqual([expect.stringContaining(message)]);
  });
});
