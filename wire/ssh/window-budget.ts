// How much a peer may have in flight over all channels of a connection: the first channels get their full window, and
// the more there are the smaller the next ones are, so that many stuck channels stay within a few dozen MiB.

const CONNECTION_BYTES = 16 * 1024 ** 2;
const SHARE = 4;
/** Two packets: less would make the peer wait for credit after each. */
const LEAST_BYTES = 64 * 1024;

export class WindowBudget {
  #left = CONNECTION_BYTES;

  /** The window of a new channel, at most `wanted`. Give the answer back when the channel is closed. */
  take(wanted: number): number {
    const share = Math.max(Math.floor(this.#left / SHARE), LEAST_BYTES);
    const window = Math.min(wanted, share);
    this.#left -= window;
    return window;
  }

  giveBack(window: number): void {
    this.#left += window;
  }
}
