// One session channel of a relayed connection: every request is judged before the server sees it, what the server sends is
// recorded on its way to the person, and neither a slow person nor a slow disk makes memory grow.
//
//   asking ──(shell, exec or subsystem)──> starting ──> sent ──(taken by the server)──> running ──either end closes──> over
import { randomUUID } from 'node:crypto';
import { SessionEvents, sizeText, type ExitOutcome } from '#client/audit/session-events.ts';
import { sessionRefusal, type SessionRequest } from '#core/access/ssh-sessions.ts';
import { isCode } from '#core/errors/error.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import { SESSION_ID_REQUEST, sessionIdRequest } from '#wire/session-id.ts';
import type { FlowWatch } from '#wire/sftp/flow-watch.ts';
import {
  execRequest,
  exitSignal,
  exitStatus,
  ptyRequest,
  subsystemRequest,
  windowChange,
  type WindowChange,
} from '#wire/ssh/payloads.ts';
import type { Channel, ChannelReceiver } from '#wire/ssh/ssh.ts';
import { recordSession, shownAs, watchFlow } from './record-session.ts';
import type { Relayed } from './relayed-access.ts';

type Program = Exclude<SessionRequest, { readonly what: 'terminal' }>;

/** What is asked of a program that is there already, and harms nothing. */
const WHILE_RUNNING: ReadonlySet<string> = new Set(['signal', 'eow@openssh.com', 'break']);
const DEFAULT_SIZE = { columns: 80, rows: 24, widthPixels: 0, heightPixels: 0 };

export class RelayedSession {
  /** Both are set before anything can come. */
  person!: Channel;
  server!: Channel;
  readonly #relayed: Relayed;
  readonly #id = randomUUID();
  readonly #events: SessionEvents;
  #size: WindowChange | undefined;
  #term = '';
  /** `sent`: the server has the request and may run it, whatever it or anybody says afterwards. */
  #state: 'asking' | 'starting' | 'sent' | 'running' | 'over' = 'asking';
  #program: Program | undefined;
  #startedAt = 0;
  #exit: ExitOutcome = {};
  #recorder: SessionRecorder | undefined;
  #watch: FlowWatch | undefined;
  /** What the person sent before the server had a program to read it. No more than the window comes. */
  #early: Buffer[] = [];
  #hasEarlyEnd = false;
  #owedToPerson = 0;
  #owedToServer = 0;
  #personIsFull = false;
  #recorderIsFull = false;
  #sent = 0;
  #received = 0;

  constructor(relayed: Relayed) {
    this.#relayed = relayed;
    const { host, access } = relayed;
    this.#events = new SessionEvents({ host, access, sessionId: this.#id });
  }

  readonly fromPerson: ChannelReceiver = {
    onData: (data) => {
      this.#received += data.length;
      if (this.#state === 'running') this.#input(data);
      else this.#early.push(data);
    },
    onStderr: (data) => this.person.consumed(data.length),
    onEof: () => {
      if (this.#state === 'running') this.server.end();
      else this.#hasEarlyEnd = true;
    },
    onDrain: () => {
      this.#personIsFull = false;
      this.#flow();
    },
    onRequest: (name, payload) => this.#request(name, payload),
    onClose: () => this.#over(),
  };

  readonly fromServer: ChannelReceiver = {
    onData: (data) => this.#output(data, false),
    onStderr: (data) => this.#output(data, true),
    onEof: () => this.person.end(),
    onDrain: () => {
      const owed = this.#owedToPerson;
      this.#owedToPerson = 0;
      if (owed > 0) this.person.consumed(owed);
    },
    onRequest: (name, payload) => {
      this.#told(name, payload);
      return false;
    },
    onClose: () => this.#over(),
  };

  /** Roles have changed; what is going on stays, unless it must be recorded and is not. */
  close(): void {
    this.person.close();
    this.server.close();
  }

  #input(data: Buffer): void {
    this.#watch?.input(data);
    if (this.server.write(data)) this.person.consumed(data.length);
    else this.#owedToPerson += data.length;
  }

  #output(data: Buffer, isError: boolean): void {
    // A server that sends before it was asked for anything sends nobody anything.
    if (this.#state !== 'running' && this.#state !== 'sent') {
      this.server.consumed(data.length);
      return;
    }
    this.#sent += data.length;
    if (!isError) this.#watch?.output(data);
    const hasRoom = isError ? this.person.writeStderr(data) : this.person.write(data);
    if (!hasRoom) this.#personIsFull = true;
    const recorder = this.#recorder;
    const isKept = isError ? recorder?.stderr(data) : recorder?.output(data);
    if (recorder !== undefined && isKept === false) void this.#waitFor(recorder);
    this.#owedToServer += data.length;
    this.#flow();
  }

  async #waitFor(recorder: SessionRecorder): Promise<void> {
    if (this.#recorderIsFull) return;
    this.#recorderIsFull = true;
    await recorder.drained();
    this.#recorderIsFull = false;
    this.#flow();
  }

  /** The server may send on. */
  #flow(): void {
    if (this.#personIsFull || this.#recorderIsFull || this.#owedToServer === 0) return;
    const owed = this.#owedToServer;
    this.#owedToServer = 0;
    this.server.consumed(owed);
  }

  /** Requests of the server: how the program ended, and that it reads no more. */
  #told(name: string, payload: Uint8Array): void {
    if (name === 'exit-status') this.#exit = { code: exitStatus.decode(payload).code };
    else if (name === 'exit-signal') this.#exit = { signal: exitSignal.decode(payload).signal };
    else if (name !== 'eow@openssh.com' && name !== 'xon-xoff') return;
    this.person.notify(name, payload);
  }

  async #request(name: string, payload: Uint8Array): Promise<boolean> {
    try {
      return await this.#judge(name, payload);
    } catch (error) {
      if (!isCode(error)) throw error;
      this.#relayed.host.log.info(
        { session: this.#id, request: name, why: error.message },
        'a request of a relayed session failed',
      );
      return false;
    }
  }

  #judge(name: string, payload: Uint8Array): boolean | Promise<boolean> {
    const { server } = this;
    switch (name) {
      case 'env':
        return this.#state === 'asking' && server.request(name, payload);
      case 'pty-req':
        return this.#openTerminal(payload);
      case 'window-change':
        return this.#resize(payload);
      case 'shell':
        return this.#start({ what: 'shell' }, name, payload);
      case 'exec':
        return this.#start({ what: 'exec', command: execRequest.decode(payload).command }, name, payload);
      case 'subsystem':
        return this.#start({ what: 'subsystem', name: subsystemRequest.decode(payload).name }, name, payload);
      case 'auth-agent-req@openssh.com':
        return (
          this.#state === 'asking' && this.#relayed.mayCallBack('agent') && server.request(name, payload)
        );
      case 'x11-req':
        return this.#state === 'asking' && this.#relayed.mayCallBack('x11') && server.request(name, payload);
      default:
        return this.#state === 'running' && WHILE_RUNNING.has(name) && server.request(name, payload);
    }
  }

  async #openTerminal(payload: Uint8Array): Promise<boolean> {
    const asked = ptyRequest.decode(payload);
    if (this.#state !== 'asking' || this.#size !== undefined) return false;
    if (sessionRefusal({ what: 'terminal' }, this.#relayed.access) !== undefined) return false;
    if (!(await this.server.request('pty-req', payload))) return false;
    this.#size = asked;
    this.#term = asked.term;
    return true;
  }

  #resize(payload: Uint8Array): Promise<boolean> | boolean {
    const size = windowChange.decode(payload);
    if (this.#size === undefined) return false;
    this.#size = size;
    if (this.#state === 'running') {
      this.#events.resized(size);
      this.#recorder?.resize(size.columns || DEFAULT_SIZE.columns, size.rows || DEFAULT_SIZE.rows);
    }
    this.server.notify('window-change', payload);
    return true;
  }

  async #start(program: Program, name: string, payload: Uint8Array): Promise<boolean> {
    const { access } = this.#relayed;
    if (this.#state !== 'asking') return false;
    const refusal = sessionRefusal(program, access, this.#size !== undefined);
    if (refusal !== undefined) {
      this.#events.rejected(refusal);
      return false;
    }
    this.#state = 'starting';
    this.#program = program;
    if (!(await this.#startRecording(program))) return true;
    // So that what the server tells of the session has the id of the recording.
    if (this.#relayed.hasAgent)
      await this.server.request(SESSION_ID_REQUEST, sessionIdRequest.encode({ id: this.#id }));
    // The person may have gone by now, and then nothing is to run.
    return this.#isOver() ? false : await this.#send(program, name, payload);
  }

  async #send(program: Program, name: string, payload: Uint8Array): Promise<boolean> {
    this.#state = 'sent';
    this.#startedAt = this.#relayed.host.clock.now();
    const isTaken = await this.server.request(name, payload);
    // Gone without an answer, which is no refusal: it was told as a session that ran.
    if (this.#isOver()) return isTaken;
    if (isTaken) this.#run(program);
    else {
      this.#events.rejected('the server refused it');
      void this.#recorder?.end({}).catch(() => {});
      this.#state = 'over';
    }
    return isTaken;
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  /** False when it must be recorded and cannot be: the person was told, and the channel closes. */
  async #startRecording(program: Program): Promise<boolean> {
    const { access, host } = this.#relayed;
    const shown = shownAs(program, access.grant.forceCommand);
    const terminal = this.#size === undefined ? undefined : { term: this.#term, size: sizeText(this.#size) };
    try {
      this.#recorder = recordSession(this.#relayed, { id: this.#id, shown, terminal });
      await this.#recorder?.started;
    } catch (error) {
      host.log.warn({ session: this.#id, err: error }, 'a session was not started: it cannot be recorded');
      this.#events.rejected('the session must be recorded, and cannot be');
      this.person.writeStderr(Buffer.from('the session must be recorded, and cannot be\r\n'));
      this.#state = 'over';
      this.close();
      return false;
    }
    this.#recorder?.failed.catch(() => {
      const text = '\r\nthis session must be recorded, and cannot be any more; it ends\r\n';
      this.person.writeStderr(Buffer.from(text));
      this.close();
    });
    this.#watch = watchFlow(program, access.grant.forceCommand, this.#events, this.#relayed.hasAgent);
    return true;
  }

  #run(program: Program): void {
    this.#state = 'running';
    this.#tellStart(program);
    for (const data of this.#early.splice(0)) this.#input(data);
    if (this.#hasEarlyEnd) this.server.end();
  }

  #tellStart(program: Program): void {
    const { access, hasAgent } = this.#relayed;
    const shown = shownAs(program, access.grant.forceCommand);
    if (!hasAgent && (this.#size !== undefined || shown === undefined))
      this.#events.started(this.#size, shown);
  }

  #over(): void {
    const before = this.#state;
    this.#state = 'over';
    this.close();
    if (before === 'over') return;
    this.#watch?.end();
    const { code, signal } = this.#exit;
    const participants = [this.#relayed.access.identity.name];
    this.#recorder
      ?.end({
        participants,
        // Of a byte, as a recording has it.
        ...(code === undefined ? {} : { exit_code: code & 255 }),
        ...(signal === undefined ? {} : { exit_signal: signal }),
      })
      .catch((error: unknown) =>
        this.#relayed.host.log.warn({ session: this.#id, err: error }, 'a recording could not be ended'),
      );
    if (before === 'sent' && this.#program !== undefined) this.#tellStart(this.#program);
    const hasRun = before === 'running' || before === 'sent';
    if (hasRun && !this.#relayed.hasAgent) this.#tellEnd(participants);
  }

  #tellEnd(participants: readonly string[]): void {
    const program = this.#program;
    const shown = program && shownAs(program, this.#relayed.access.grant.forceCommand);
    if (shown !== undefined) this.#events.executed(shown, this.#exit);
    if (this.#size !== undefined || shown === undefined) {
      this.#events.ended({
        interactive: this.#size !== undefined,
        participants,
        startedAt: this.#startedAt,
        exit: this.#exit,
      });
    }
    this.#events.data(this.#sent, this.#received);
  }
}
