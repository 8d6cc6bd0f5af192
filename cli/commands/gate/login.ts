// `gate login`: keys are made here, the password buys short-lived certificates for them, and both are kept under
// ~/.gate in the form that gatectl and plain ssh read.
import { ping } from '#core/api/cluster.ts';
import { login as loginCall, type UserCertificates } from '#core/api/login.ts';
import { clusterNameFormat } from '#core/cluster-settings.ts';
import { knownHostsCertAuthorityLine, parseAuthorizedKey, publicKeyLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair, privateKeyPem, publicKeyPem } from '#core/certs/x509/keys.ts';
import { GatehouseError } from '#core/errors/error.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine, shellWord } from '../../format/text.ts';
import { findProfile } from '../../profile/choose.ts';
import { saveProfile, type Profile, type SshFiles } from '../../profile/profile.ts';
import type { Gate } from './context.ts';
import { AGENT_MODES, giveToAgent, takeFromAgent } from './keep-in-agent.ts';
import { passwordFlags, readOtp, readPassword } from './password.ts';
import { openServer, requireSameCluster, serverFlags, type Server } from './server.ts';
import { statusLines, summary } from './show-profile.ts';

export const login = command({
  about:
    'Certificates are good for 12 hours unless --ttl or a role says otherwise. On first contact the CA pin is compared, by\n--ca-pin or by you; later the cluster is known.',
  flags: {
    ...serverFlags,
    ...passwordFlags,
    ttl: flag.duration({ says: 'How long the certificates are to be good.' }),
    'add-keys-to-agent': flag.oneOf(AGENT_MODES, {
      says: 'Give the certificate to the running ssh-agent for as long as it is good. (auto: when there is one)',
    }),
  },
  examples: [
    'gate login --proxy=proxy.example.com --user=alice',
    'gate login --proxy=proxy.example.com:3080 --user=ci --password-file=/run/secrets/password --ca-pin=sha256:7e12…',
    'gate login --auth-server=10.0.10.5:3025 --user=alice',
  ],
  async run(gate: Gate, { flags }) {
    const { io, out } = gate;
    const known = await findProfile(io, gate.wanted).catch(() => undefined);
    const user = gate.wanted.user ?? known?.user ?? io.env['USER'];
    if (user === undefined || user === '')
      throw flag.usage('--user is missing: your user name in the cluster');
    const server = await openServer(gate, flags);
    const { api, authorities } = server;
    try {
      const { auth, cluster_name: cluster } = await api.call(ping, {});
      await requireSameCluster(gate, cluster, authorities);
      const question = `Password of ${user}: `;
      const password = await readPassword(io, flags['password-file'], { isNew: false, question });
      const otp = await readOtp(io, flags.otp, auth.second_factor);
      const keys = makeKeys();
      const certificates = await api.call(loginCall, {
        user,
        password: password.reveal(),
        ...otp,
        ...(flags.ttl === undefined ? {} : { ttl: flag.durationText(flags.ttl) }),
        ...keys.publicKeys,
      });
      const profile = profileOf(certificates, keys.tlsPrivateKey, server);
      if (profile.cluster !== cluster) await requireSameCluster(gate, profile.cluster, authorities);
      await takeFromAgent(gate, profile.cluster);
      const paths = await saveProfile(io, profile, sshFiles(certificates, keys));
      await giveToAgent(gate, profile, flags['add-keys-to-agent'] ?? 'auto');
      const hint = `ssh -i ${shellWord(paths.key)} -o UserKnownHostsFile=${shellWord(paths.knownHosts)}`;
      await out.show({ ...summary(profile), key: paths.key, known_hosts: paths.knownHosts }, () => {
        for (const line of statusLines(profile, io.clock.now())) out.line(line);
        out.line();
        const login = shellWord(profile.logins[0] ?? 'LOGIN');
        if (profile.proxy === undefined) out.line(`Use it with: ${hint} ${login}@HOST`);
        else out.line(`Use it with: gate ls, gate ssh ${login}@HOST, or plain ssh by \`gate config\``);
      });
    } finally {
      api.close();
    }
  },
});

interface Keys {
  readonly publicKeys: { readonly ssh_public_key: string; readonly tls_public_key: string };
  readonly sshPrivateKey: string;
  readonly tlsPrivateKey: string;
}

function makeKeys(): Keys {
  const ssh = generateKeyPair('ed25519');
  const tls = generateKeyPair('ecdsa-p256');
  return {
    publicKeys: {
      ssh_public_key: publicKeyLine(publicKeyFromKeyObject(ssh.publicKey)),
      tls_public_key: publicKeyPem(tls.publicKey),
    },
    sshPrivateKey: openSshPrivateKey(ssh.privateKey).reveal(),
    tlsPrivateKey: privateKeyPem(tls.privateKey).reveal(),
  };
}

function profileOf(
  certificates: UserCertificates,
  tlsPrivateKey: string,
  { address, proxy }: Pick<Server, 'address' | 'proxy'>,
): Profile {
  const { user, cluster_name, roles, logins, expires, tls_certificate, tls_authorities } = certificates;
  if (!clusterNameFormat.accepts(cluster_name)) {
    throw new GatehouseError('UNAVAILABLE', 'the server gives its cluster a name that cannot be one');
  }
  return {
    version: 1,
    cluster: cluster_name,
    user,
    auth_servers: [address],
    ...(proxy === undefined ? {} : { proxy }),
    roles,
    logins,
    expires,
    tls_private_key: tlsPrivateKey,
    tls_certificate,
    tls_authorities,
  };
}

/** The file is for this cluster alone, so its authority may speak for any name: addresses are names as well. */
function sshFiles(certificates: UserCertificates, keys: Keys): SshFiles {
  const lines = certificates.ssh_host_authorities.map((line) =>
    knownHostsCertAuthorityLine(['*'], parseAuthorizedKey(line).key),
  );
  return {
    privateKey: keys.sshPrivateKey,
    publicKey: `${keys.publicKeys.ssh_public_key}\n`,
    certificate: `${oneLine(certificates.ssh_certificate)}\n`,
    knownHosts: `${lines.join('\n')}\n`,
  };
}
