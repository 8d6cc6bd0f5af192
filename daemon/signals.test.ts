import { EventEmitter } from 'node:events';
import type { NetworkInterfaceInfo } from 'node:os';
import { expect, it } from 'vitest';
import { guideText, programsPrefix, shellWord } from './guide.ts';
import { nodeAddress } from './node-address.ts';
import { watchSignals, type SignalSource } from './signals.ts';

it('ok: the first TERM or INT stops, the second kills; USR1 dumps; HUP and USR2 restart', () => {
  const source = new EventEmitter();
  const seen: string[] = [];
  const unwatch = watchSignals(source as unknown as SignalSource, {
    stop: (signal) => seen.push(`stop ${signal}`),
    kill: (signal) => seen.push(`kill ${signal}`),
    dump: () => seen.push('dump'),
    reload: (signal) => seen.push(`reload ${signal}`),
  });
  for (const signal of ['SIGUSR1', 'SIGHUP', 'SIGTERM', 'SIGUSR2', 'SIGINT', 'SIGTERM'])
    source.emit(signal, signal);
  unwatch();
  source.emit('SIGTERM', 'SIGTERM');
  expect(seen).toEqual([
    'dump',
    'reload SIGHUP',
    'stop SIGTERM',
    'reload SIGUSR2',
    'kill SIGINT',
    'kill SIGTERM',
  ]);
  expect(source.eventNames()).toEqual([]);
});

const about = (address: string, internal = false) => ({ address, internal }) as NetworkInterfaceInfo;
const interfaces = {
  lo: [about('127.0.0.1', true), about('::1', true)],
  eth0: [about('fe80::1'), about('2001:db8::7'), about('10.1.0.5')],
};

it.each([
  ['0.0.0.0', undefined, interfaces, '10.1.0.5:3022'],
  ['::', undefined, { eth0: [about('2001:db8::7')] }, '[2001:db8::7]:3022'],
  ['0.0.0.0', '192.0.2.1', interfaces, '192.0.2.1:3022'],
  ['10.9.9.9', undefined, interfaces, '10.9.9.9:3022'],
  ['::1', undefined, interfaces, '[::1]:3022'],
  ['0.0.0.0', undefined, { lo: interfaces.lo }, '127.0.0.1:3022'],
])(
  'ok: listening on %s, advertised as %s, others are told an address they can dial',
  (host, advertised, all, says) => {
    expect(nodeAddress({ host, port: 3022 }, advertised, all)).toBe(says);
  },
);

const facts = {
  clusterName: 'main.example.com',
  authServer: 'auth-1:3025',
  caPins: [`sha256:${'a'.repeat(64)}`],
  dataDir: '/var/lib/gatehouse',
  configPath: undefined,
  programs: '',
  isDefault: true,
};

it('ok: the guide says what to do next, with commands that find this daemon', () => {
  expect(guideText(facts)).toContain('gatectl users add joe');
  expect(guideText(facts)).toContain(`--auth-server=auth-1:3025 --ca-pin=sha256:${'a'.repeat(64)}`);
  const file = guideText({ ...facts, isDefault: false, configPath: '/a b/gatehouse.yaml' });
  expect(file).toContain(`gatectl --config='/a b/gatehouse.yaml' nodes add`);
  const flags = guideText({ ...facts, isDefault: false, dataDir: '/tmp/x' });
  expect(flags).toContain('gatectl --config=FILE status');
  expect(flags).toContain('gatehouse: {data_dir: /tmp/x}');
});

it.each([
  ['plain/word-1.2', 'plain/word-1.2'],
  ['', `''`],
  ['a b', `'a b'`],
  [`it's $(x)`, `'it'\\''s $(x)'`],
])('S21 ok: %j is one word of a shell', (text, word) => {
  expect(shellWord(text)).toBe(word);
});

it('ok: programs are named by their folder unless they are on the PATH', () => {
  const exists = (file: string) => file === '/usr/local/bin/gatectl';
  expect(programsPrefix('/bin:/usr/local/bin', '/opt/g/bin/', exists)).toBe('');
  expect(programsPrefix('/bin::', '/opt/g/bin/', exists)).toBe('/opt/g/bin/');
  expect(programsPrefix(undefined, '/opt/g/bin/', exists)).toBe('/opt/g/bin/');
  expect(guideText({ ...facts, programs: '/opt/g g/bin/' })).toContain(`'/opt/g g/bin/gatectl' status`);
});
