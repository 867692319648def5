import { isIPv4 } from 'node:net';

/** Whether an address of the kernel is of this machine: 127.0.0.0/8, ::1, and the first within IPv6 (::ffff:127.0.0.1). */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = withoutMapping(address);
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

/** An IPv4 address that arrived on an IPv6 socket, as IPv4 (RFC 4291, section 2.5.5.2). Others are unchanged. */
export function withoutMapping(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped ? mapped[1]! : address;
}

const hostForm = /^(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(:\d{1,5})?$/i;

/** The name in a Host header, without its port, in the canonical form of the URL standard; null when it is none. */
export function hostNameOf(host: string): string | null {
  if (host.length > 300 || !hostForm.test(host)) return null;
  const url = URL.parse(`http://${host}`);
  return url ? url.hostname.replace(/\.$/, '') : null;
}

/**
 * Whether a name always means this machine, whatever a name server says: an address of loopback, `localhost` and the
 * names below it (RFC 6761, section 6.3).
 * @param name canonical, as `hostNameOf` and `URL.hostname` give it
 */
export function isLoopbackName(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  if (name === '[::1]' || /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(name)) return true;
  return isIPv4(name) && name.startsWith('127.');
}

/** Whether a server with this HOST setting can be reached from this machine only. */
export function isLoopbackBind(host: string): boolean {
  return host.toLowerCase() === 'localhost' || isLoopbackAddress(host);
}
