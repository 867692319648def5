import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { ParleyError } from '../../../base/errors.ts';
import type { AuthenticationPolicy, Scope } from '../../../core/accounts/index.ts';
import type { ForeignUpgrades } from '../upgrades.ts';
import type { SocketConnection } from './connection.ts';

/** What a client may be answered in its acknowledgement. */
export type Acknowledgement = Record<string, unknown>;

/** An answer that comes later than the socket's next events are handled. What it fails with is told in the acknowledgement alone. */
export class Later {
  readonly answer: Promise<Acknowledgement>;

  constructor(answer: Promise<Acknowledgement>) {
    this.answer = answer;
  }
}

/** One event that clients may send. */
export interface SocketEvent<Payload = unknown> {
  /** What its first argument must be; all others are not looked at. */
  schema: z.ZodType<Payload>;
  /** The scope that a credential needs for it; null for none. */
  scope: Scope | null;
  /**
   * Does it; the next event of the socket waits until this has resolved. What it throws is answered as `{error, code}`,
   * and the connection goes on.
   */
  handle(connection: SocketConnection, payload: Payload): Promise<Acknowledgement | Later> | Acknowledgement | Later;
  /** The event by which its errors are told beside the acknowledgement, in place of that of the namespace. */
  errorEvent?: NamespaceOptions['errorEvent'];
  /** Whose event it is, where that dialect can be switched off. */
  dialect?: string;
}

/** An event with its payload typed by its schema. */
export function socketEvent<Schema extends z.ZodType>(
  schema: Schema,
  scope: Scope | null,
  handle: (connection: SocketConnection, payload: z.output<Schema>) => Promise<Acknowledgement | Later> | Acknowledgement | Later,
  errorEvent?: NamespaceOptions['errorEvent'],
): SocketEvent {
  return { schema, scope, handle: (connection, payload) => handle(connection, payload as z.output<Schema>), ...(errorEvent ? { errorEvent } : {}) };
}

/** Who may connect to a namespace, and how it answers. */
export interface NamespaceOptions {
  /** `/` or a name such as `/agent-chat`. */
  name: string;
  policy: AuthenticationPolicy;
  /** The scope that a credential needs to connect; null for none. */
  scope: Scope | null;
  /** The event by which errors are told beside the acknowledgement, where a document defines one. */
  errorEvent?(error: ParleyError, event: string): { event: string; payload: unknown } | null;
}

/** One namespace of the Socket.IO server, which several dialects may share. */
export interface SocketNamespace {
  /** Adds events. @throws {Error} for one that is there already: two dialects must not mean different things by it */
  on(events: Readonly<Record<string, SocketEvent>>, dialect?: string): void;
  /** By which event errors of unknown events are told beside the acknowledgement: that of one dialect, where several share the namespace. */
  onUnknown(errorEvent: NonNullable<NamespaceOptions['errorEvent']>): void;
  /** Calls `listener` when a connection has been let in, once for each. */
  onCome(listener: (connection: SocketConnection) => void): void;
  /** Calls `listener` when a connection has gone, once for each. */
  onGone(listener: (connection: SocketConnection) => void): void;
  /** Sends one event to several connections of this namespace; it is written once. */
  emitToMany(connections: readonly SocketConnection[], event: string, payload: unknown): void;
  /**
   * The same for all that are in a group (`SocketConnection.enter`); costs less than naming them.
   * @param size how many of the group the caller wants to reach: with another number in it, nothing is sent
   * @returns whether it was sent
   */
  emitToGroup(group: string, size: number, event: string, payload: unknown): boolean;
  /** How many are connected. */
  readonly size: number;
  /** The names of the events. */
  readonly events: readonly string[];
}

/** The Socket.IO server of the process. It has no port of its own: requests and upgrades are handed to it. */
export interface SocketIo extends ForeignUpgrades {
  /**
   * A namespace; the first call makes it. Sockets enter when somebody has proven who they are.
   * @throws {Error} when it was made with another policy
   */
  namespace(options: NamespaceOptions): SocketNamespace;
  /** Takes a place for the connection that a request asks for. @throws {ParleyError} `rate_limited` */
  admit(request: IncomingMessage): Promise<void>;
  /** Answers one request: a poll, what a client sends without a WebSocket, or the client library. */
  handleRequest(request: IncomingMessage, response: ServerResponse): void;
}
