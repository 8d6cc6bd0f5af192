// What ssh_service says beyond addresses and labels: the switches of sessions, and what is not there yet.
import { expect, it } from 'vitest';
import { readConfig, type ReadConfig } from './read.ts';

const read = (section: string): ReadConfig =>
  readConfig(`ssh_service: ${section}`, { source: 'gatehouse.yaml', hostname: 'turing', flags: {} });

it('ok: switches of sessions are in force', () => {
  const { config, notices } = read(
    '{allow_tcp_forwarding: no, ssh_file_copy: no, permit_user_env: yes, x11: {enabled: yes, display_offset: 20, max_displays: 5}, disable_create_host_user: yes}',
  );
  expect(notices).toEqual([]);
  expect(config.ssh).toMatchObject({
    allowTcpForwarding: false,
    fileCopy: false,
    permitUserEnv: true,
    x11: { enabled: true, displayOffset: 20, maxDisplays: 5 },
  });
});

it('ok: what is not there yet gives one notice each, and nothing when it is off', () => {
  const { notices } = read('{pam: {enabled: yes}, enhanced_recording: {enabled: yes}}');
  expect(notices.map(({ path, message }) => `${path} ${message}`)).toEqual([
    'ssh_service.pam is not part of this release; it is ignored',
    'ssh_service.enhanced_recording is not part of this release; it is ignored',
  ]);
  expect(read('{pam: {enabled: no}}').notices).toEqual([]);
});

it('refuses: fields of x11 that are not known', () => {
  expect(() => read('{x11: {enabeld: yes}}')).toThrow('did you mean "enabled"');
});
