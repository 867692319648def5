import type { IncomingHttpHeaders } from 'node:http';

export type Role = 'owner' | 'admin' | 'user';
export type Scope = 'read' | 'write' | 'admin' | 'chat' | 'p2p';

/** Who asks. Every repository takes it, and shows and changes only what is this viewer's. */
export interface Viewer {
  userId: string;
  username: string;
  role: Role;
  scopes: readonly Scope[];
  /** How the viewer proved who they are. `program`: a program that has opened the database itself. `call-back`: a process of this server, for a part of a call that is counted already. */
  via: 'token' | 'cookie' | 'api-key' | 'local-trust' | 'internal' | 'program' | 'call-back';
  /** Id of the token or the API key; null for local trust. */
  credentialId: string | null;
  /** When the credential ends, milliseconds since the epoch; null when it does not. */
  expiresAt: number | null;
}

/** What `authenticate` looks at: a request or an upgrade, before anything of it is believed. */
export interface Credentials {
  headers: IncomingHttpHeaders;
  method: string;
  /** Token from the query string, on the addresses that document it (`?token=`). */
  queryToken?: string | null;
  socket: PeerSocket;
}

/** The two ends of the connection as the kernel names them. */
export interface PeerSocket {
  remoteAddress?: string | undefined;
  remotePort?: number | undefined;
  localAddress?: string | undefined;
  localPort?: number | undefined;
}
