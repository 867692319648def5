import { request, type Session } from '../../shared/api/index.ts';

export interface Registration {
  username: string;
  password: string;
  name: string;
  email: string;
  /** Invite code or set-up code, where one is asked for. */
  code: string | null;
}

export function fetchSession(): Promise<Session> {
  return request('GET', '/api/auth/session');
}

/** Signs this browser in as the owner, where the server trusts its own machine. */
export function signInLocally(): Promise<unknown> {
  return request('POST', '/api/auth/local');
}

export function signIn(username: string, password: string): Promise<unknown> {
  return request('POST', '/api/auth/login', { body: { username, password }, isSignIn: true });
}

/** Makes an account; the first one takes over the owner's place with everything in it. */
export function signUp(registration: Registration): Promise<unknown> {
  return request('POST', '/api/auth/register', { body: registration, isSignIn: true });
}

export function signOut(): Promise<unknown> {
  return request('POST', '/api/auth/logout');
}
