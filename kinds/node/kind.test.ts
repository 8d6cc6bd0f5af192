import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { nodeKind, nodeLabels } from './kind.ts';

const node = (spec: object, more: object = {}): object => ({
  kind: 'node',
  version: 'v2',
  metadata: { name: 'c9s93fd9-3333-91d3-9999-c9s93fd98f43', labels: { distro: 'debian' } },
  spec: { hostname: 'dijkstra', addr: '10.1.0.6:3022', ...spec },
  ...more,
});
const rowOf = (document: object): string[] => {
  const resource = parseResource(nodeKind, document);
  return nodeKind.columns.map((column) => column.value(resource));
};

describe('node', () => {
  it('ok: the example', () => expect(exampleOf('node', nodeKind)).toHaveLength(2));

  it('ok: the row as the manual prints it', () => {
    expect(nodeKind.columns.map((column) => column.title)).toEqual([
      'Node Name',
      'Node ID',
      'Address',
      'Labels',
    ]);
    expect(rowOf(node({}))).toEqual([
      'dijkstra',
      'c9s93fd9-3333-91d3-9999-c9s93fd98f43',
      '10.1.0.6:3022',
      'distro:debian',
    ]);
  });

  it('ok: a node behind a tunnel shows no address', () => {
    expect(rowOf(node({ addr: '', use_tunnel: true }))[2]).toBe('(tunnel)');
  });

  it('ok: the result of a command is a label and wins over a static one', () => {
    const resource = parseResource(
      nodeKind,
      node({
        cmd_labels: {
          arch: { period: '1h', command: 'uname', result: 'x86_64' },
          distro: { period: '1h0m0s', command: ['lsb_release'], result: 'ubuntu' },
        },
      }),
    );
    expect(nodeLabels(resource)).toEqual({ arch: 'x86_64', distro: 'ubuntu' });
  });

  it('ok: plain sshd', () => {
    expect(parseResource(nodeKind, node({}, { sub_kind: 'openssh' })).sub_kind).toBe('openssh');
    expect(parseResource(nodeKind, node({}, { sub_kind: '' })).sub_kind).toBeUndefined();
  });

  it.each([
    ['no host name', node({ hostname: '' }), 'spec.hostname: must not be empty'],
    [
      'another sub kind',
      node({}, { sub_kind: 'opensh' }),
      'sub_kind: must be one of , openssh; did you mean "openssh"?',
    ],
    ['a slip', node({ adr: 'x' }), 'spec.adr: is not a known field; did you mean "addr"?'],
    [
      'a bad period',
      node({ cmd_labels: { a: { period: 'hourly', command: 'x' } } }),
      'spec.cmd_labels.a.period: must be a duration',
    ],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(nodeKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
