// What issuing needs of the auth service, so that tests and the daemon need not build all of it.
import type { AuthContext } from '../context.ts';

export type IssueContext = Pick<
  AuthContext,
  'clock' | 'state' | 'authorities' | 'clusterName' | 'publicAddress' | 'names'
> & {
  readonly audit: Pick<AuthContext['audit'], 'emit' | 'emitDurably'>;
};
