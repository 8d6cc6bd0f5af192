// The commented file that `gatehouse configure` prints. It starts as it is; a test holds it to that.
import { DEFAULT_DATA_DIR } from './build.ts';

export interface SampleOptions {
  readonly nodename: string;
  readonly clusterName?: string;
  readonly dataDir?: string;
}

const PROXY_AND_NODE = `proxy_service:
  enabled: yes
  # The one port that users and agents need: the web pages, SSH, tunnels and the auth API.
  web_listen_addr: 0.0.0.0:3080
  # SSH of users and tunnels of agents on ports of their own as well.
  listen_addr: 0.0.0.0:3023
  tunnel_listen_addr: 0.0.0.0:3024

  # The name under which users and agents reach it; it is in the links of invites.
  # public_addr: gatehouse.example.com:3080

  # Certificates for that name. Without them one is made that browsers warn of.
  # https_keypairs:
  #   - key_file: /etc/gatehouse/web.key
  #     cert_file: /etc/gatehouse/web.pem

ssh_service:
  enabled: yes
  listen_addr: 0.0.0.0:3022
  labels:
    env: example
  # Labels from what a command prints; the period is at least one minute.
  commands:
    - name: arch
      command: [/usr/bin/uname, -m]
      period: 1h0m0s

# Databases and applications that this machine reaches; more in docs/reference/config.md.
# db_service:
#   enabled: yes
#   databases:
#     - name: orders
#       protocol: postgres
#       uri: orders.example.com:5432
# app_service:
#   enabled: yes
#   apps:
#     - name: grafana
#       uri: http://localhost:3000
`;

/** The text of a config file for an auth service, a proxy and a node on one machine. */
export function sampleConfig({ nodename, clusterName, dataDir = DEFAULT_DATA_DIR }: SampleOptions): string {
  const cluster =
    clusterName === undefined
      ? '# cluster_name: main.example.com'
      : `cluster_name: ${JSON.stringify(clusterName)}`;
  return `# Gatehouse configuration: one auth service, one proxy and one node on this machine.
# Every key is described in docs/reference/config.md. An unknown key is refused, with its line.
version: v3
gatehouse:
  # The name that users connect to. By default the host name of this machine.
  nodename: ${JSON.stringify(nodename)}

  # Keys and state. Nobody but the user that runs Gatehouse may have access to it.
  data_dir: ${JSON.stringify(dataDir)}

  # To join this machine to a cluster whose auth service is elsewhere, remove the sections auth_service and
  # proxy_service and fill in what \`gatectl nodes add\` prints:
  # (auth_server may also be the web port of a proxy, such as proxy.example.com:3080)
  # auth_server: 10.0.10.5:3025
  # join_params:
  #   method: token
  #   token_name: /path/to/tokenfile
  # ca_pin: "sha256:..."

  log:
    # stderr, stdout, syslog, or the path of a file
    output: stderr
    # ERROR, WARN, INFO or DEBUG
    severity: INFO
    format:
      # text or json
      output: text

  storage:
    # The embedded store, in data_dir.
    type: sqlite

  # Health and metrics over HTTP (/healthz, /readyz, /metrics); off unless set.
  # diag_addr: 127.0.0.1:3000

auth_service:
  enabled: yes
  listen_addr: 0.0.0.0:3025

  # Part of every certificate, and fixed at the first start. Without it an id is made.
  ${cluster}

  # Join tokens that do not expire. Tokens of \`gatectl tokens add\` are the safer way.
  # tokens:
  #   - "node:/path/to/tokenfile"

  authentication:
    type: local
    # otp: a one-time code besides the password; optional: for those who set it up; off
    second_factor: otp

${PROXY_AND_NODE}`;
}
