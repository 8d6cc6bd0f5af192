// A real HTTPS server (or HTTP) on loopback with a certificate that vouches for itself, and whatever answers a test wants.
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';

export interface TlsServer {
  readonly port: number;
  /** What it is verified with. */
  readonly authority: string;
  /** Hears of upgrades; without a listener they are refused. */
  onUpgrade(listener: (request: IncomingMessage, socket: Duplex) => void): void;
  close(): Promise<void>;
}

export interface TlsServerOptions {
  readonly names?: readonly string[];
  readonly isPlain?: boolean;
}

/** The caller closes it; open connections are cut. */
export async function startTlsServer(
  answer: RequestListener,
  options: TlsServerOptions = {},
): Promise<TlsServer> {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const now = Date.now();
  const names = options.names ?? ['localhost'];
  const der = selfSignedServer({
    privateKey,
    commonName: names[0] ?? 'localhost',
    dnsNames: names,
    ipAddresses: ['127.0.0.1'],
    notBefore: now - 60_000,
    notAfter: now + 3_600_000,
  });
  const authority = certificateToPem(der);
  const server =
    options.isPlain === true
      ? createHttpServer(answer)
      : createHttpsServer({ cert: authority, key: privateKeyPem(privateKey).reveal() }, answer);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    authority,
    onUpgrade: (listener) => void server.on('upgrade', listener),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
