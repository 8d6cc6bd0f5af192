// What accounts need of the auth service, so that tests need not build all of it.
import type { AuthContext } from '../context.ts';
import type { IssueContext } from '../issue/context.ts';
import type { ServerContext } from '../routes/server-context.ts';
import type { Passwords } from './password.ts';

export type LoginContext = IssueContext & Pick<AuthContext, 'log'> & { readonly passwords: Passwords };

/** Making and accepting invites. */
export type InviteContext = LoginContext & Pick<ServerContext, 'guard'>;
