/** The part of the package drachtio-srf that the edge uses, and how it is found. */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { failure, success, type Outcome } from '../../base/outcome.ts';

export interface DrachtioSrf {
  readonly app: { readonly client: DrachtioAgent };
  connect(options: {
    readonly host: string;
    readonly port: number;
    readonly secret: string;
    readonly enablePing: boolean;
    readonly reconnect: { readonly retryMaxDelay: number };
  }): void;
  on(event: string, listener: (...args: never[]) => void): void;
  /** One for each method: the server hands over requests of these methods only. */
  use(method: string, handler: (req: unknown, res: unknown) => void): void;
}

/** The connection to the server, as its wire protocol has it. */
export interface DrachtioAgent {
  readonly wp: EventEmitter & {
    closing?: boolean;
    readonly reconnectVars: { retryTimer: NodeJS.Timeout | null };
  };
  readonly mapServer: ReadonlyMap<Socket, unknown>;
  /** Lets the server proxy a request that it handed over; answers `['OK', 'done']` or `['NOK', why]`. */
  proxy(
    request: { readonly socket: Socket; readonly method: string; get(name: string): string },
    options: {
      readonly stackTxnId: string;
      readonly destination: readonly string[];
      readonly headers: Readonly<Record<string, string>>;
      readonly remainInDialog: boolean;
      readonly fullResponse: boolean;
      readonly followRedirects: boolean;
      readonly simultaneous: boolean;
      readonly provisionalTimeout: string;
      readonly finalTimeout: string;
    },
    done: (answer: readonly string[]) => void,
  ): void;
  /** Answers a request that it handed over. */
  sendMessage(socket: Socket, message: string, options: { readonly stackTxnId: string }): void;
  disconnect(socket: Socket): void;
}

export type DrachtioSrfClass = new () => DrachtioSrf;

const packageName = 'drachtio-srf';

/** A failure says what to install. */
export async function loadDrachtioSrf(
  load: () => Promise<unknown> = async () => (await import(packageName)) as unknown,
): Promise<Outcome<DrachtioSrfClass>> {
  try {
    const loaded = (await load()) as { readonly default?: unknown };
    if (typeof loaded.default === 'function') return success(loaded.default as DrachtioSrfClass);
    return failure('the package drachtio-srf is not the one this program knows');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') {
      return failure(`the package drachtio-srf cannot be loaded: ${(error as Error).message}`);
    }
    return failure('the package drachtio-srf is not installed: npm install drachtio-srf@5');
  }
}
