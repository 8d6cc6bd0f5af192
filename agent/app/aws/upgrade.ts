// WebSockets to AWS: those of `ssm start-session` and `ecs execute-command`, which carry their own key, and those that are
// signed in the query. After the handshake the two ends are joined.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AwsRequest } from '#core/aws/canonical.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { awsFault } from '#core/aws/fault.ts';
import { splice, type Splice } from '#wire/splice.ts';
import { requestFields, type ApiGround } from './api.ts';
import { destinationOf, type Destination } from './destination.ts';
import { answerHeaders, headersForAws, signFor } from './outgoing.ts';
import type { Visit } from './visit.ts';

const LOOK_MS = 5_000;

interface Upgraded {
  readonly answer: IncomingMessage;
  /** Undefined: the service answered without an upgrade. */
  readonly far?: Duplex;
}

/** Throws what the client should be told; owns the socket when it returns. */
export async function relayUpgradeToAws(
  ground: ApiGround,
  visit: Visit,
  asked: AwsRequest,
  { socket, head }: { readonly socket: Duplex; readonly head: Uint8Array },
): Promise<void> {
  const destination = destinationOf(asked, visit.partition);
  let status = 0;
  try {
    const { answer, far } = await open(ground, visit, asked, destination);
    status = answer.statusCode ?? 0;
    socket.write(headText(answer, far !== undefined));
    if (far === undefined) {
      answer.pipe(socket);
      return;
    }
    if (head.length > 0) socket.unshift(head);
    void watch(ground.clock, visit, splice(socket, far));
  } finally {
    visit.record(requestFields(asked, destination, undefined, status));
  }
}

/** Ends with the session; bytes that move are a sign of the person. */
async function watch(clock: Clock, { signal, opened }: Visit, joined: Splice): Promise<void> {
  let timer: Timer | undefined;
  let before = joined.aToB;
  const look = (): void => {
    timer = clock.after(LOOK_MS, () => {
      if (joined.aToB !== before) opened.touch();
      before = joined.aToB;
      look();
    });
  };
  look();
  const end = (): void => joined.destroy();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  await joined.done;
  timer?.cancel();
  signal.removeEventListener('abort', end);
}

async function open(
  { dialer, clock }: ApiGround,
  visit: Visit,
  asked: AwsRequest,
  { host, signing }: Destination,
): Promise<Upgraded> {
  const bare = { method: asked.method, target: asked.target, headers: headersForAws(asked, host) };
  const signed =
    signing === undefined ? bare : signFor(bare, await visit.credentials(), signing, clock.now());
  const outgoing = dialer.request(host, {
    method: signed.method,
    path: signed.target,
    headers: [
      ...signed.headers,
      ['Connection', 'Upgrade'] as const,
      ['Upgrade', 'websocket'] as const,
    ].flat(),
    setHost: false,
    signal: visit.signal,
    isAlone: true,
  });
  return new Promise((resolve, reject) => {
    outgoing.once('upgrade', (answer, far, rest) => {
      if (rest.length > 0) far.unshift(rest);
      resolve({ answer, far });
    });
    outgoing.once('response', (answer) => resolve({ answer }));
    outgoing.once('error', (error) =>
      reject(awsFault('UNAVAILABLE', 'ServiceUnavailable', `${host} cannot be reached: ${error.message}`)),
    );
    outgoing.end();
  });
}

function headText({ statusCode, statusMessage, rawHeaders }: IncomingMessage, isUpgraded: boolean): string {
  const pairs = isUpgraded ? rawHeaders : [...answerHeaders(rawHeaders), 'connection', 'close'];
  const lines = pairs.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${pairs[at + 1] ?? ''}`] : []));
  return `${[`HTTP/1.1 ${statusCode ?? 502} ${statusMessage ?? ''}`, ...lines].join('\r\n')}\r\n\r\n`;
}
