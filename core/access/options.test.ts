import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certExtensions, mergeSessionOptions, mergeTargetOptions, type MergedOptions } from './options.ts';
import type { RoleOptions } from './role.ts';

const merge = (...roles: RoleOptions[]): MergedOptions => ({
  ...mergeSessionOptions(roles),
  ...mergeTargetOptions(roles),
});

describe('merging options', () => {
  it.each<[string, RoleOptions[], object]>([
    [
      'defaults of one silent role',
      [{}],
      {
        forwardAgent: false,
        portForwarding: { local: true, remote: true },
        x11Forwarding: false,
        fileCopy: true,
        disconnectExpiredCert: false,
        pinSourceIp: false,
        recordSsh: 'best_effort',
        recordTarget: 'best_effort',
        recordDesktop: true,
        certFormat: 'standard',
        enhancedRecording: ['command', 'network'],
        desktopClipboard: true,
        desktopDirectorySharing: true,
        samlIdp: true,
        requestAccess: 'optional',
        requireSessionMfa: 'off',
        deviceTrust: 'off',
        hostUserMode: 'off',
        dbUserMode: 'off',
        createDesktopUser: false,
      },
    ],
    [
      'no roles permit nothing',
      [],
      {
        forwardAgent: false,
        portForwarding: { local: false, remote: false },
        fileCopy: false,
        x11Forwarding: false,
        desktopClipboard: false,
      },
    ],
    [
      'the shortest life',
      [{ max_session_ttl: '30h0m0s' }, { max_session_ttl: '8h' }, {}],
      { maxSessionTtlMs: 8 * 3_600_000 },
    ],
    ['never is no limit', [{ client_idle_timeout: 'never' }], {}],
    [
      'never beside a limit',
      [{ client_idle_timeout: 'never' }, { client_idle_timeout: '30m' }],
      { clientIdleTimeoutMs: 1_800_000 },
    ],
    [
      'the shortest MFA interval',
      [{ mfa_verification_interval: '1h' }, { mfa_verification_interval: '5m' }],
      { mfaVerificationIntervalMs: 300_000 },
    ],
    ['agent forwarding by one role', [{ forward_agent: true }, {}], { forwardAgent: true }],
    [
      'agent forwarding with a no',
      [{ forward_agent: true }, { forward_agent: false }],
      { forwardAgent: false },
    ],
    [
      'port forwarding with a no',
      [{ port_forwarding: true }, { port_forwarding: false }],
      { portForwarding: { local: false, remote: false } },
    ],
    [
      'port forwarding one way',
      [{ port_forwarding: { local: { enabled: true }, remote: { enabled: false } } }],
      { portForwarding: { local: true, remote: false } },
    ],
    [
      'ssh_port_forwarding',
      [{ ssh_port_forwarding: { remote: { enabled: false } } }, {}],
      { portForwarding: { local: true, remote: false } },
    ],
    [
      'a no in either field of one role',
      [{ port_forwarding: true, ssh_port_forwarding: { local: { enabled: false } } }],
      { portForwarding: { local: false, remote: true } },
    ],
    [
      'a no in the older field',
      [{ port_forwarding: { remote: { enabled: false } }, ssh_port_forwarding: { remote: {} } }],
      { portForwarding: { local: true, remote: false } },
    ],
    ['X11 by one role', [{ permit_x11_forwarding: true }, {}], { x11Forwarding: true }],
    [
      'X11 with a no',
      [{ permit_x11_forwarding: true }, { permit_x11_forwarding: false }],
      { x11Forwarding: false },
    ],
    ['file copy with a no', [{ ssh_file_copy: false }, { ssh_file_copy: true }], { fileCopy: false }],
    [
      'duties need one role',
      [
        { disconnect_expired_cert: true, pin_source_ip: true },
        { disconnect_expired_cert: false, pin_source_ip: false },
      ],
      { disconnectExpiredCert: true, pinSourceIp: true },
    ],
    [
      'the smallest limits, 0 is none',
      [
        { max_connections: 0, max_sessions: 10 },
        { max_connections: 3, max_sessions: 5, max_kubernetes_connections: 1 },
      ],
      { maxConnections: 3, maxSessions: 5, maxKubernetesConnections: 1 },
    ],
    ['strict locking wins', [{ lock: 'best_effort' }, { lock: 'strict' }], { lockMode: 'strict' }],
    [
      'the strictest recording',
      [{ record_session: { default: 'best_effort' } }, { record_session: { ssh: 'strict' } }],
      { recordSsh: 'strict' },
    ],
    [
      'recording off needs every role',
      [{ record_session: { ssh: 'off' } }, {}],
      { recordSsh: 'best_effort' },
    ],
    [
      'recording off by all',
      [{ record_session: { default: 'off' } }, { record_session: { ssh: 'off' } }],
      { recordSsh: 'off' },
    ],
    [
      'desktops recorded if one role wants it',
      [{ record_session: { desktop: false } }, {}],
      { recordDesktop: true },
    ],
    ['desktops not recorded', [{ record_session: { desktop: false } }], { recordDesktop: false }],
    [
      'what is recorded in depth adds up',
      [{ enhanced_recording: ['disk'] }, { enhanced_recording: ['command', 'disk'] }],
      { enhancedRecording: ['disk', 'command'] },
    ],
    [
      'the old certificate form needs every role',
      [{ cert_format: 'oldssh' }, {}],
      { certFormat: 'standard' },
    ],
    [
      'MFA by one role',
      [{ require_session_mfa: false }, { require_session_mfa: true }],
      { requireSessionMfa: 'yes' },
    ],
    [
      'the strongest MFA',
      [{ require_session_mfa: 'hardware_key_touch' }, { require_session_mfa: true }],
      { requireSessionMfa: 'hardware_key_touch' },
    ],
    ['an unknown word for MFA is a yes', [{ require_session_mfa: 'later' }], { requireSessionMfa: 'yes' }],
    [
      'device trust',
      [{ device_trust_mode: 'required' }, { device_trust_mode: 'off' }],
      { deviceTrust: 'required' },
    ],
    ['host users need every role', [{ create_host_user_mode: 'keep' }, {}], { hostUserMode: 'off' }],
    [
      'host users kept when one role keeps',
      [{ create_host_user_mode: 'drop' }, { create_host_user_mode: 'keep' }],
      { hostUserMode: 'keep' },
    ],
    ['the old way to make host users', [{ create_host_user: true }], { hostUserMode: 'insecure-drop' }],
    [
      'database users by one role',
      [{ create_db_user_mode: 'best_effort_drop' }, {}],
      { dbUserMode: 'best_effort_drop' },
    ],
    [
      'database users are rather kept',
      [{ create_db_user_mode: 'best_effort_drop' }, { create_db_user: true }],
      { dbUserMode: 'keep' },
    ],
    [
      'shell of the first role that has one',
      [{ create_host_user_default_shell: '/bin/bash' }, { create_host_user_default_shell: '/bin/sh' }],
      { hostUserShell: '/bin/bash' },
    ],
    [
      'access by request, with a reason',
      [
        { request_access: 'always', request_prompt: 'Ticket?' },
        { request_access: 'reason', request_prompt: 'Ticket?' },
      ],
      { requestAccess: 'reason', requestPrompts: ['Ticket?'] },
    ],
    ['clipboard with a no', [{ desktop_clipboard: false }, {}], { desktopClipboard: false }],
    ['SAML with a no', [{ idp: { saml: { enabled: false } } }, {}], { samlIdp: false }],
  ])('ok: %s', (_name, roles, result) => {
    expect(merge(...roles)).toMatchObject(result);
  });

  it('ok: what no role says stays with the cluster', () => {
    const silent = merge({}, { client_idle_timeout: 'never', max_connections: 0 });
    for (const key of ['maxSessionTtlMs', 'clientIdleTimeoutMs', 'maxConnections', 'lockMode'])
      expect(silent).not.toHaveProperty(key);
  });

  it('property: another role never permits what a no forbade, and never lengthens a limit', () => {
    const flag = fc.option(fc.boolean(), { nil: undefined });
    const options: fc.Arbitrary<RoleOptions> = fc.record({
      forward_agent: flag,
      port_forwarding: flag,
      permit_x11_forwarding: flag,
      ssh_file_copy: flag,
      pin_source_ip: flag,
      require_session_mfa: flag,
      max_session_ttl: fc.constantFrom(undefined, '1h', '8h'),
      max_connections: fc.constantFrom(undefined, 0, 1, 5),
    });
    fc.assert(
      fc.property(fc.array(options, { minLength: 1, maxLength: 4 }), options, (roles, more) => {
        const before = merge(...roles);
        const after = merge(...roles, more);
        const said = (key: 'forward_agent' | 'port_forwarding' | 'permit_x11_forwarding' | 'ssh_file_copy') =>
          roles.some((role) => role[key] === false);
        if (said('forward_agent')) expect(after.forwardAgent).toBe(false);
        if (said('port_forwarding')) expect(after.portForwarding).toEqual({ local: false, remote: false });
        if (said('permit_x11_forwarding')) expect(after.x11Forwarding).toBe(false);
        if (said('ssh_file_copy')) expect(after.fileCopy).toBe(false);
        if (before.pinSourceIp) expect(after.pinSourceIp).toBe(true);
        if (before.requireSessionMfa !== 'off') expect(after.requireSessionMfa).not.toBe('off');
        expect(after.maxSessionTtlMs ?? Infinity).toBeLessThanOrEqual(before.maxSessionTtlMs ?? Infinity);
        expect(after.maxConnections ?? Infinity).toBeLessThanOrEqual(before.maxConnections ?? Infinity);
        expect(merge(more, ...roles)).toEqual({
          ...after,
          hostUserShell: merge(more, ...roles).hostUserShell,
        });
      }),
    );
  });

  it('ok: certificate extensions with traits; a missing one is left out; the first role by name wins', () => {
    const extension = (name: string, value?: string) => ({ type: 'ssh', mode: 'extension', name, value });
    const found = certExtensions(
      [
        {
          name: 'b',
          allow: {},
          deny: {},
          options: {
            cert_extensions: [extension('login@github.com', '{{external.github_login}}'), extension('flag')],
          },
        },
        {
          name: 'a',
          allow: {},
          deny: {},
          options: {
            cert_extensions: [extension('login@github.com', 'fixed'), extension('x', '{{external.nope}}')],
          },
        },
      ],
      { github_login: ['joe'] },
    );
    expect([...found]).toEqual([
      ['login@github.com', 'fixed'],
      ['flag', ''],
    ]);
  });
});
