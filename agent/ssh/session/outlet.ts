// Where the output of a session goes: to the client and into the recording. It says when to stop reading and when to go
// on, so that neither a slow client nor a slow disk makes memory grow.
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { Channel } from '#wire/ssh/ssh.ts';

export class Outlet {
  readonly #channel: Channel;
  readonly #recorder: SessionRecorder | undefined;
  readonly #onOpen: () => void;
  #waitsForClient = false;
  #waitsForRecorder = false;
  /** Bytes to the client, output and errors. */
  sent = 0;

  /** `onOpen`: after false, reading may go on. */
  constructor(channel: Channel, recorder: SessionRecorder | undefined, onOpen: () => void) {
    this.#channel = channel;
    this.#recorder = recorder;
    this.#onOpen = onOpen;
  }

  get isOpen(): boolean {
    return !this.#waitsForClient && !this.#waitsForRecorder;
  }

  /** `data` may be overwritten after the call. False: stop reading until `onOpen`. */
  output(data: Buffer): boolean {
    this.sent += data.length;
    if (!this.#channel.write(data)) this.#waitsForClient = true;
    if (this.#recorder?.output(data) === false) this.#waitForRecorder(this.#recorder);
    return this.isOpen;
  }

  errors(data: Buffer): boolean {
    this.sent += data.length;
    if (!this.#channel.writeStderr(data)) this.#waitsForClient = true;
    if (this.#recorder?.stderr(data) === false) this.#waitForRecorder(this.#recorder);
    return this.isOpen;
  }

  /** The client takes more. */
  drained(): void {
    if (!this.#waitsForClient) return;
    this.#waitsForClient = false;
    if (this.isOpen) this.#onOpen();
  }

  #waitForRecorder(recorder: SessionRecorder): void {
    if (this.#waitsForRecorder) return;
    this.#waitsForRecorder = true;
    void this.#resumeAfter(recorder);
  }

  async #resumeAfter(recorder: SessionRecorder): Promise<void> {
    await recorder.drained();
    this.#waitsForRecorder = false;
    if (this.isOpen) this.#onOpen();
  }
}
