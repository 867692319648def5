/** Addresses an answer may link to; anything else stays text. Relative ones would lead into this page and are left out. */
export function safeLink(address: string | undefined): string | null {
  if (address === undefined) return null;
  if (address.startsWith('#')) return address;
  try {
    const url = new URL(address);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    // No absolute address.
    return null;
  }
}
