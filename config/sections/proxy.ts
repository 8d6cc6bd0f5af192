// The schema of `proxy_service:`. Keys of protocols that are not there yet are known too, so that a slip in them is
// found now and not on the day they arrive.
import * as s from '#core/schema/schema.ts';
import { any, flag, text, words } from './fields.ts';

const LATER = 'Not part of this release; ignored with a notice.';

const later = {
  acme: any(LATER),
  kubernetes: any(LATER),
  kube_listen_addr: text(LATER),
  kube_public_addr: words(LATER),
  postgres_listen_addr: text(LATER),
  postgres_public_addr: words(LATER),
  mysql_listen_addr: text(LATER),
  mysql_public_addr: words(LATER),
  mongo_listen_addr: text(LATER),
  mongo_public_addr: words(LATER),
  ui: any(LATER),
};

export const LATER_PROXY_KEYS = Object.keys(later) as (keyof typeof later)[];

export const proxySection = s.object({
  enabled: flag('Default: yes where the auth service runs, else no unless this section is there.'),
  web_listen_addr: text(
    'Where everything is served: HTTPS, SSH of users, tunnels and the auth API. Default: 0.0.0.0:3080.',
  ),
  listen_addr: text(
    'SSH of users on a port of its own. Default: 0.0.0.0:3023, or none with proxy_listener_mode multiplex.',
  ),
  tunnel_listen_addr: text(
    'Tunnels of agents on a port of their own; the same as web_listen_addr opens none. Default: 0.0.0.0:3024, or none with proxy_listener_mode multiplex.',
  ),
  peer_listen_addr: text(
    'Other proxies, with tunnel_strategy proxy_peering. Default: 0.0.0.0:3021 with that strategy, else none.',
  ),
  public_addr: words(
    'Under which names users and agents reach the proxy; the first is in links. Default: nodename and the web port.',
  ),
  ssh_public_addr: words('The same for SSH. Default: the hosts of public_addr and the port of listen_addr.'),
  tunnel_public_addr: words(
    'The same for tunnels. Default: the hosts of public_addr and the port of tunnel_listen_addr.',
  ),
  peer_public_addr: words(
    'Where other proxies reach this very one. Default: advertise_ip or an address of it.',
  ),
  https_keypairs: s.optional(
    s.list(s.object({ key_file: s.string({ maxLength: 4096 }), cert_file: s.string({ maxLength: 4096 }) }), {
      max: 64,
      description:
        'Certificates of the web port (PEM, with their chain), chosen by the name that clients ask for. Default: a self-signed one.',
    }),
  ),
  https_keypairs_reload_interval: s.optional(
    s.duration({ description: 'How often the files are looked at for changes. Default: 1m; 0 is never.' }),
  ),
  https_key_file: text('The key of one more pair.'),
  https_cert_file: text('The certificate of that pair.'),
  proxy_protocol: flag(
    'on: balancers of proxy_protocol_from may say whose connection they pass on (PROXY v1 and v2). Default: off.',
  ),
  proxy_protocol_from: words('Addresses and networks of these balancers, such as 10.0.0.0/8; no others may.'),
  trust_x_forwarded_for: flag(
    'Take the address of HTTP clients from X-Forwarded-For. Only behind a balancer that sets it. Default: no.',
  ),
  ...later,
});

export type ProxySection = s.Infer<typeof proxySection>;
