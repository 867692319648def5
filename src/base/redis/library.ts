type Library = typeof import('@redis/client');

let loaded: Library | null = null;

/** The client library, loaded when it is first needed: a server without Redis would keep 28 MB of it for nothing. */
export async function redisLibrary(): Promise<Library> {
  return (loaded ??= await import('@redis/client'));
}

/** Whether Redis itself answered with this error, not the way to it. */
export function isErrorReply(error: unknown): error is Error {
  return loaded !== null && error instanceof loaded.ErrorReply;
}
