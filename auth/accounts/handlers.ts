// The routes of people and their credentials: signing in, and the links with which they sign up.
import {
  acceptInvite as acceptCall,
  createInvite as createCall,
  login,
  openInvite as openCall,
  revokeInvite as revokeCall,
} from '#core/api/login.ts';
import { handler } from '../routes/handler.ts';
import type { Route, ServerContext } from '../routes/server-context.ts';
import { acceptInvite, openInvite } from './accept-invite.ts';
import { createInvite } from './create-invite.ts';
import { logIn } from './login.ts';
import { revokeInvites } from './revoke-invite.ts';

const loginRoute: Route = handler({
  endpoint: login,
  access: { to: 'anyone', why: 'password and second factor are the proof' },
  handle: (context: ServerContext, caller, request) => logIn(context, caller, request),
});

const createRoute: Route = handler({
  endpoint: createCall,
  access: { to: 'resource', kind: 'user', verbs: ['create', 'update'] },
  handle: (context: ServerContext, caller, request) => createInvite(context, caller, request),
});

const openRoute: Route = handler({
  endpoint: openCall,
  access: { to: 'anyone', why: 'the token of the link is the proof' },
  handle: (context: ServerContext, caller, request) => openInvite(context, caller, request.token),
});

const acceptRoute: Route = handler({
  endpoint: acceptCall,
  access: { to: 'anyone', why: 'the token of the link is the proof' },
  handle: (context: ServerContext, caller, request) => acceptInvite(context, caller, request),
});

const revokeRoute: Route = handler({
  endpoint: revokeCall,
  access: { to: 'resource', kind: 'user', verbs: ['update'] },
  handle: (context: ServerContext, caller, request) => revokeInvites(context, caller, request.links),
});

/** For routes/all.ts. */
export const ACCOUNT_ROUTES: readonly Route[] = [
  loginRoute,
  createRoute,
  openRoute,
  acceptRoute,
  revokeRoute,
];
