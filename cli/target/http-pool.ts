// Requests to an application over connections with its certificate, kept and used again. One pool for one application.
import { Agent, request as httpRequest, type ClientRequest, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';

const MOST_CONNECTIONS = 256;
const MOST_IDLE = 16;
/** Less than the agent keeps a silent connection, so that it is not the agent who ends it. */
const IDLE_MS = 30_000;

export interface HttpPool {
  /** `headers` are name and value in turn, as on the wire, Host among them. The caller ends or destroys the request. */
  request(about: {
    readonly method: string;
    readonly path: string;
    readonly headers: readonly string[];
    /** A connection of its own, for upgrades. */
    readonly isAlone?: boolean;
  }): ClientRequest;
  /** Ends the connections that are open. */
  close(): void;
}

export function openHttpPool(open: () => Promise<Duplex>): HttpPool {
  const agent = new PoolAgent(open);
  const streams = agent.streams;
  return {
    request: ({ method, path, headers, isAlone = false }) =>
      httpRequest({
        method,
        path,
        headers: [...headers],
        setDefaultHeaders: false,
        ...(isAlone ? { createConnection: (_, done) => agent.connect(done) } : { agent }),
      }),
    close() {
      agent.destroy();
      for (const stream of streams) stream.destroy();
    },
  };
}

type Done = (error: Error | null, stream: Duplex) => void;

class PoolAgent extends Agent {
  readonly streams = new Set<Duplex>();
  readonly #open: () => Promise<Duplex>;

  constructor(open: () => Promise<Duplex>) {
    super({ keepAlive: true, maxSockets: MOST_CONNECTIONS, maxFreeSockets: MOST_IDLE, timeout: IDLE_MS });
    this.#open = open;
  }

  override createConnection(_options: ClientRequestArgs, done: Done): undefined {
    return this.connect(done);
  }

  connect(done: Done): undefined {
    void this.#connect(done);
    return undefined;
  }

  async #connect(done: Done): Promise<void> {
    let stream: Duplex;
    try {
      stream = await this.#open();
    } catch (error) {
      done(error as Error, undefined as unknown as Duplex);
      return;
    }
    this.streams.add(stream);
    stream.once('close', () => this.streams.delete(stream));
    done(null, stream);
  }
}
