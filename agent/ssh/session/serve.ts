// One session channel: takes the client's requests in order, each against certificate and roles, until one of them
// starts a program; from then on it hands bytes and requests to the run (run.ts).
import { randomUUID } from 'node:crypto';
import { RELAY_NODE_EXTENSION } from '#core/api/relay.ts';
import { isCode } from '#core/errors/error.ts';
import {
  envRequest,
  execRequest,
  ptyRequest,
  signalRequest,
  subsystemRequest,
  windowChange,
  x11Request,
} from '#wire/ssh/payloads.ts';
import type { Channel, ChannelReceiver } from '#wire/ssh/ssh.ts';
import { isSessionId, SESSION_ID_REQUEST, sessionIdRequest } from '#wire/session-id.ts';
import type { SessionForwards, SshPeer } from '../context.ts';
import { ClientVariables } from '../process/environment.ts';
import { terminalSettings } from '../process/terminal-settings.ts';
import type { Terminal } from '../process/terminals.ts';
import type { ServeSession, SessionParts } from './parts.ts';
import { sessionRefusal, type SessionRequest } from '#core/access/ssh-sessions.ts';
import type { Run } from './run.ts';
import { SessionEvents } from '#client/audit/session-events.ts';
import { DEFAULT_SIZE, sizeOf } from './terminal-size.ts';
import { startSession, type Wanted } from './start.ts';
import { openParty } from '../join/open.ts';
import type { Party } from '../join/party.ts';

/** What the service calls for each channel of type `session`. */
export function sessionServer(parts: SessionParts): ServeSession {
  return (opening, peer, forwards) => {
    const session = new SessionChannel(parts, peer, forwards);
    session.channel = opening.accept(session);
  };
}

export interface AskedTerminal {
  readonly terminal: Terminal;
  readonly term: string;
  /** For stty. */
  readonly settings: readonly string[];
}

/** The names of RFC 4254 6.10 that sshd passes on too. */
const SIGNALS = new Set('ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2'.split(' '));
/** How somebody gives up who waits for others. */
const CTRL_C = 0x03;
const MAX_EARLY_BYTES = 4 * 1024 ** 2;

class SessionChannel implements ChannelReceiver {
  /** Set as soon as it was accepted; nothing comes before. */
  channel!: Channel;
  readonly #parts: SessionParts;
  readonly #peer: SshPeer;
  readonly #forwards: SessionForwards;
  #events: SessionEvents;
  #id: string = randomUUID();
  readonly #variables = new ClientVariables();
  #asked: AskedTerminal | undefined;
  #size = DEFAULT_SIZE;
  #agentSocket: string | undefined;
  #x11: { readonly display: string; close(): void } | undefined;
  #party: Party | undefined;
  #stopReview: (() => void) | undefined;
  #isStarted = false;
  #wanted: Wanted | undefined;
  #isClosed = false;
  #run: Run | undefined;
  /** What the client sent before the program was there. */
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #hasEarlyEnd = false;
  #received = 0;

  constructor(parts: SessionParts, peer: SshPeer, forwards: SessionForwards) {
    this.#parts = parts;
    this.#peer = peer;
    this.#forwards = forwards;
    this.#events = new SessionEvents({ host: parts.host, access: peer.access, sessionId: this.#id });
  }

  onData(data: Buffer): void {
    this.#received += data.length;
    if (this.#run !== undefined) this.#run.input(data);
    else if (this.#isClosed) this.channel.consumed(data.length);
    else if (this.#party?.isHeld === true) this.#waits(data);
    else {
      this.#early.push(data);
      this.#earlyBytes += data.length;
      // Beyond any window: a channel that gives more has lost count.
      if (this.#earlyBytes > MAX_EARLY_BYTES) this.channel.close();
    }
  }

  onStderr(data: Buffer): void {
    this.channel.consumed(data.length);
  }

  onEof(): void {
    if (this.#run === undefined) this.#hasEarlyEnd = true;
    else this.#run.inputEnd();
  }

  onDrain(): void {
    this.#run?.drained();
  }

  onClose(): void {
    this.#isClosed = true;
    this.#early = [];
    this.#stopReview?.();
    this.#run?.hangUp();
    // One that is being given to a program is closed by #started: its number must not become another file's before.
    if (!this.#isStarted) this.#asked?.terminal.close();
    this.#party?.over();
    this.#x11?.close();
  }

  async onRequest(name: string, payload: Uint8Array): Promise<boolean> {
    try {
      return await this.#request(name, payload);
    } catch (error) {
      if (!isCode(error)) throw error;
      const { message: why } = error;
      this.#parts.host.log.info({ session: this.#id, request: name, why }, 'a request of a session failed');
      return false;
    }
  }

  #request(name: string, payload: Uint8Array): boolean | Promise<boolean> {
    switch (name) {
      case 'env': {
        const { name: variable, value } = envRequest.decode(payload);
        return !this.#isStarted && this.#variables.set(variable, value);
      }
      case SESSION_ID_REQUEST:
        return this.#takeId(sessionIdRequest.decode(payload).id);
      case 'pty-req':
        return this.#openTerminal(payload);
      case 'window-change':
        return this.#resize(payload);
      case 'shell':
        return this.#start({ what: 'shell' });
      case 'exec':
        return this.#start({ what: 'exec', command: execRequest.decode(payload).command });
      case 'subsystem':
        return this.#start({ what: 'subsystem', name: subsystemRequest.decode(payload).name });
      case 'signal':
        return this.#signal(signalRequest.decode(payload).signal);
      case 'auth-agent-req@openssh.com':
        return this.#openAgent();
      case 'x11-req':
        return this.#openX11(payload);
      default:
        return false;
    }
  }

  async #openTerminal(payload: Uint8Array): Promise<boolean> {
    const request = ptyRequest.decode(payload);
    if (this.#isStarted || this.#asked !== undefined || !this.#isPermitted({ what: 'terminal' }))
      return false;
    const settings = terminalSettings(request.modes);
    const { accounts, terminals } = this.#parts.runtime;
    const account = await accounts.find(this.#peer.access.login);
    const terminalGroup = accounts.isRoot ? await accounts.terminalGroup() : undefined;
    if (this.#isClosed) return false;
    this.#size = sizeOf(request);
    const owner = accounts.isRoot ? { uid: account.uid, gid: account.gid, terminalGroup } : undefined;
    this.#asked = { terminal: terminals.open(this.#size, owner), term: request.term, settings };
    return true;
  }

  /** A proxy that records says which id its recording has. */
  #takeId(id: string): boolean {
    const { access } = this.#peer;
    const isProxy = access.grant.certificate.extensions.has(RELAY_NODE_EXTENSION);
    if (!isProxy || this.#isStarted || !isSessionId(id)) return false;
    this.#id = id;
    this.#events = new SessionEvents({ host: this.#parts.host, access, sessionId: id });
    return true;
  }

  #resize(payload: Uint8Array): boolean {
    const size = sizeOf(windowChange.decode(payload));
    if (this.#asked === undefined) return false;
    this.#size = size;
    if (this.#run !== undefined) this.#run.resize(size);
    else {
      this.#asked.terminal.resize(size.columns, size.rows);
      this.#party?.resizeOwner(size);
    }
    return true;
  }

  #signal(name: string): boolean {
    // As sshd: whoever may only run one program must not stop its wrapper.
    if (this.#run === undefined || this.#peer.access.grant.forceCommand !== undefined) return false;
    if (!SIGNALS.has(name)) return false;
    this.#run.signal(`SIG${name}` as NodeJS.Signals);
    return true;
  }

  async #openAgent(): Promise<boolean> {
    if (this.#isStarted) return false;
    this.#agentSocket = await this.#forwards.openAgent();
    return this.#agentSocket !== undefined;
  }

  async #openX11(payload: Uint8Array): Promise<boolean> {
    const request = x11Request.decode(payload);
    if (this.#isStarted || this.#x11 !== undefined) return false;
    const opened = await this.#forwards.openX11(request);
    if (this.#isClosed) opened?.close();
    else this.#x11 = opened;
    return opened !== undefined;
  }

  #isPermitted(request: SessionRequest): boolean {
    const refusal = sessionRefusal(request, this.#peer.access, this.#asked !== undefined);
    if (refusal !== undefined && request.what !== 'terminal') this.#events.rejected(refusal);
    return refusal === undefined;
  }

  async #start(wanted: Wanted): Promise<boolean> {
    if (this.#isStarted || !this.#isPermitted(wanted)) return false;
    this.#isStarted = true;
    this.#wanted = wanted;
    if (this.#asked !== undefined) this.#openParty();
    this.#stopReview = this.#peer.onReview(() => this.#review());
    // Not awaited: the client is told that it starts, and what goes wrong from here on it can read.
    void startSession(this.#parts, {
      wanted,
      sessionId: this.#id,
      channel: this.channel,
      peer: this.#peer,
      events: this.#events,
      terminal: this.#asked && this.#party && { asked: this.#asked, party: this.#party },
      size: () => this.#size,
      variables: this.#variables,
      agentSocket: this.#agentSocket,
      display: this.#x11?.display,
      isClosed: () => this.#isClosed,
      received: () => this.#received,
    }).then((run) => this.#begin(run));
    if (this.#party?.isHeld === true) this.#dropEarly();
    return true;
  }

  #openParty(): void {
    const { channel } = this;
    this.#party = openParty(this.#parts, { id: this.#id, peer: this.#peer, channel, size: this.#size });
  }

  /** Roles have changed: what could not be started now must not go on. With a terminal, others may come to see it. */
  #review(): void {
    if (this.#party !== undefined) this.#party.review();
    if (this.#run === undefined || this.#wanted === undefined) return;
    const refusal = sessionRefusal(this.#wanted, this.#peer.access, this.#party !== undefined);
    if (refusal === undefined) return;
    this.channel.writeStderr(Buffer.from(`\r\n${refusal}; the session ends\r\n`));
    this.#run.hangUp();
  }

  /** What is typed before others are there is not kept for later: nobody would see it coming. */
  #waits(data: Buffer): void {
    this.channel.consumed(data.length);
    if (data.includes(CTRL_C)) this.channel.close();
  }

  #dropEarly(): void {
    for (const data of this.#early.splice(0)) this.channel.consumed(data.length);
    this.#earlyBytes = 0;
  }

  /** A throw would end the process, and everybody's sessions with it. */
  #begin(run: Run | undefined): void {
    try {
      this.#started(run);
    } catch (error) {
      this.#parts.host.log.error({ session: this.#id, error }, 'a session could not begin');
      run?.hangUp();
    }
  }

  #started(run: Run | undefined): void {
    if (run === undefined) {
      this.#asked?.terminal.close();
      this.#early = [];
      this.#isClosed = true;
      this.#party?.over();
      return;
    }
    this.#run = run;
    if (this.#isClosed) {
      run.hangUp();
      return;
    }
    this.#review();
    for (const data of this.#early.splice(0)) run.input(data);
    if (this.#hasEarlyEnd) run.inputEnd();
  }
}
