import type { TransactionDeps, TransactionLayer } from './types.ts';

export type {
  ClientCallbacks,
  ClientRequest,
  ClientTransaction,
  ServerTransaction,
  TimerValues,
  TransactionDeps,
  TransactionHandler,
  TransactionLayer,
  ViaParts,
} from './types.ts';

export declare function createTransactionLayer(deps: TransactionDeps): TransactionLayer;
