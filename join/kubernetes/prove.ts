// The joining half of the method `kubernetes`: reads the token that the kubelet keeps in a file for this pod. It is read
// again at each attempt, because the kubelet replaces it long before it ends.
import { open } from 'node:fs/promises';
import { GatehouseError } from '#core/errors/error.ts';
import { MAX_JWT_LENGTH, parseJwt } from '#core/jwt/jwt.ts';
import { Secret } from '#core/secret.ts';

/** Where charts mount it. */
export const DEFAULT_TOKEN_PATH = '/var/run/secrets/tokens/join-sa-token';

export interface KubernetesProof {
  readonly method: 'kubernetes';
  /** Name of the token resource. */
  readonly token: string;
  readonly idToken: Secret;
}

/** What to join with by method `kubernetes`; KUBERNETES_TOKEN_PATH in `environment` names another file. */
export function kubernetesProver(
  tokenName: string,
  environment: Readonly<Record<string, string | undefined>>,
): () => Promise<KubernetesProof> {
  const path = environment['KUBERNETES_TOKEN_PATH'] || DEFAULT_TOKEN_PATH;
  return async () => ({ method: 'kubernetes', token: tokenName, idToken: await readProjectedToken(path) });
}

/** INVALID_CONFIG when there is no token in the file; UNAVAILABLE, to try again, when it cannot be read. */
export async function readProjectedToken(path: string): Promise<Secret> {
  const text = (await read(path)).trim();
  if (parseJwt(text) !== undefined) return new Secret(text);
  throw new GatehouseError(
    'INVALID_CONFIG',
    `${path} holds no ServiceAccount token; it must be a projected volume of type serviceAccountToken`,
  );
}

async function read(path: string): Promise<string> {
  const buffer = Buffer.alloc(MAX_JWT_LENGTH + 2);
  try {
    const file = await open(path, 'r');
    try {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    throw new GatehouseError(
      'UNAVAILABLE',
      `the ServiceAccount token ${path} cannot be read (${code}); mount it as a projected volume, or set KUBERNETES_TOKEN_PATH`,
      { cause },
    );
  }
}
