/** Where a model service listens, taken apart once so that calls need not. */
export interface Address {
  /** Scheme, host and port. */
  origin: string;
  /** Path in front of every endpoint, without a slash at the end; empty or `/v1`, say. */
  path: string;
  /** Host and port, for messages. */
  host: string;
  /** Whether the service runs on this machine. */
  isLoopback: boolean;
}

/**
 * Reads the base URL of a model service.
 * @throws {Error} naming the URL's fault, for the person who configured it
 */
export function parseAddress(url: string): Address {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new Error(`The address of a model service must be an http or https URL, such as http://127.0.0.1:8000/v1; "${parsed ? parsed.origin : url.slice(0, 100)}" is none.`);
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new Error(`The address of the model service at ${parsed.host} holds a user name or password. Put the key into the settings for keys instead.`);
  }
  return { origin: parsed.origin, path: parsed.pathname.replace(/\/+$/, ''), host: parsed.host, isLoopback: isLoopbackHost(parsed.hostname) };
}

function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
