// The `options` of a role: what holds for sessions of its holders. How several roles merge is in core/access.
import * as s from '#core/schema/schema.ts';

const toggle = s.optional(s.object({ enabled: s.optional(s.boolean()) }));
const forwarding = s.object({ local: toggle, remote: toggle });
const recordingMode = s.enumOf(['strict', 'best_effort', 'off']);

const certExtension = s.object({
  type: s.withDefault(s.enumOf(['ssh']), 'ssh'),
  mode: s.withDefault(s.enumOf(['extension']), 'extension'),
  name: s.string({ minLength: 1, maxLength: 256 }),
  value: s.optional(s.string({ maxLength: 1024, description: 'May have one {{variable}}.' })),
});

const limit = (description: string) => s.optional(s.integer({ max: 1_000_000, description }));
const flag = (description: string) => s.optional(s.boolean({ description }));

export const roleOptions = s.object({
  max_session_ttl: s.optional(
    s.duration({ description: 'Longest life of a certificate. The shortest wins.' }),
  ),
  client_idle_timeout: s.optional(
    s.choice([s.enumOf(['never']), s.duration()], { description: 'Idle sessions end after this time.' }),
  ),
  mfa_verification_interval: s.optional(
    s.duration({ description: 'Longest time between two proofs of a second factor.' }),
  ),
  disconnect_expired_cert: flag('Sessions end when the certificate that opened them does.'),
  forward_agent: flag('SSH agent forwarding. No unless a role says yes.'),
  port_forwarding: s.optional(
    s.choice([s.boolean(), forwarding], { description: 'TCP forwarding. Yes unless a role says no.' }),
  ),
  ssh_port_forwarding: s.optional(forwarding),
  permit_x11_forwarding: flag('X11 forwarding. No unless a role says yes.'),
  ssh_file_copy: flag('SCP and SFTP. Yes unless a role says no.'),
  max_connections: limit('Sessions at the same time in the cluster; 0 is no limit.'),
  max_kubernetes_connections: limit('Kubernetes sessions at the same time; 0 is no limit.'),
  max_sessions: limit('Sessions within one SSH connection; 0 is no limit.'),
  require_session_mfa: s.optional(
    s.choice(
      [
        s.boolean(),
        s.enumOf(['hardware_key', 'hardware_key_touch', 'hardware_key_pin', 'hardware_key_touch_and_pin']),
      ],
      { description: 'Each session asks for the second factor again.' },
    ),
  ),
  device_trust_mode: s.optional(s.enumOf(['off', 'optional', 'required', ''])),
  lock: s.optional(s.enumOf(['strict', 'best_effort'], { description: 'When locks may be out of date.' })),
  pin_source_ip: flag('Certificates work only from the address of the login.'),
  record_session: s.optional(
    s.object({
      default: s.optional(recordingMode),
      ssh: s.optional(recordingMode),
      desktop: s.optional(s.choice([s.boolean(), recordingMode])),
    }),
  ),
  enhanced_recording: s.optional(s.list(s.enumOf(['command', 'disk', 'network']), { single: true, max: 8 })),
  cert_format: s.optional(s.enumOf(['standard', 'oldssh', ''])),
  cert_extensions: s.optional(s.list(certExtension, { max: 64 })),
  create_host_user: flag('Older form of create_host_user_mode.'),
  create_host_user_mode: s.optional(s.enumOf(['off', 'drop', 'insecure-drop', 'keep', ''])),
  create_host_user_default_shell: s.optional(s.string({ maxLength: 256 })),
  create_db_user: flag('Older form of create_db_user_mode.'),
  create_db_user_mode: s.optional(s.enumOf(['off', 'keep', 'best_effort_drop', ''])),
  create_desktop_user: flag('Accounts on desktops are made as needed.'),
  desktop_clipboard: flag('Clipboard sharing. Yes unless a role says no.'),
  desktop_directory_sharing: flag('Directory sharing. Yes unless a role says no.'),
  idp: s.optional(s.object({ saml: toggle })),
  request_access: s.optional(s.enumOf(['optional', 'always', 'reason', ''])),
  request_prompt: s.optional(s.string({ maxLength: 1024, description: 'Shown to who asks for access.' })),
});
