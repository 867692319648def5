/** Where somebody may be sent after they have signed in: a name for each page of this very server, never an address. */
const places = { device: '/device' } as const;

export type Place = keyof typeof places;

/** What the address of the sign-in may say of where to go then. Everything else in it is ignored. */
export interface Returning {
  to?: Place;
  user_code?: string;
}

/** Letters, digits and hyphens, as codes of programs are made of. */
const codeForm = /^[A-Za-z0-9-]{1,40}$/;

/** Reads what an address says; only what is known gets through. */
export function readReturning(search: Record<string, unknown>): Returning {
  const { to, user_code: code } = search;
  if (typeof to !== 'string' || !Object.hasOwn(places, to)) return {};
  return { to: to as Place, ...(typeof code === 'string' && codeForm.test(code) ? { user_code: code } : {}) };
}

/** The path to go to; the page itself where none is named. */
export function pathOf({ to, user_code: code }: Returning): string {
  if (to === undefined) return '/';
  return code === undefined ? places[to] : `${places[to]}?user_code=${encodeURIComponent(code)}`;
}
