// The schemas of the other services. Those that are not there yet have one too, so that a slip in them is found now and
// not on the day they arrive; their values are not looked into.
import * as s from '#core/schema/schema.ts';
import { any, commands, flag, labels, text, words } from './fields.ts';

export const sshSection = s.object({
  enabled: flag(),
  listen_addr: text('Default: 0.0.0.0:3022.'),
  public_addr: words('Names and addresses that users and the proxy may use.'),
  labels,
  commands,
  allow_tcp_forwarding: flag('Ports and sockets may be forwarded, if a role permits it. Default: yes.'),
  permit_user_env: flag('Sessions read ~/.ssh/environment, as the user. Default: no.'),
  pam: any('Not part of this release.'),
  enhanced_recording: any('Not part of this release.'),
  x11: s.optional(
    s.object({
      enabled: flag('Programs may open windows where the user is, if a role permits it. Default: no.'),
      display_offset: s.optional(
        s.integer({ min: 0, max: 50_000, description: 'First display. Default: 10.' }),
      ),
      max_displays: s.optional(
        s.integer({ min: 1, max: 9_000, description: 'Displays of all sessions. Default: 1000.' }),
      ),
    }),
  ),
  ssh_file_copy: flag('Files may be copied by scp and sftp, if a role permits it. Default: yes.'),
  disable_create_host_user: flag('Accounts are never made in this release, whatever this says.'),
});

const kubernetes = s.object({
  enabled: flag(),
  listen_addr: text(),
  public_addr: words(),
  kubeconfig_file: text(),
  kube_cluster_name: text(),
  labels,
  commands,
  resources: any(),
  aws: any(),
  azure: any(),
  gcp: any(),
});

/** Services whose keys are known and which this release does not have. */
export const LATER_SERVICES = {
  kubernetes_service: kubernetes,
} as const;

export type SshSection = s.Infer<typeof sshSection>;
export type LaterService = keyof typeof LATER_SERVICES;
