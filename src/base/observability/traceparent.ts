/** What a caller says of the trace that its request belongs to. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** The caller's own span, 16 hexadecimal digits. */
  parentId: string;
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Longest header that is looked at. Version 00 has 55 characters; later ones may append to it. */
const longest = 512;

/**
 * Reads the header `traceparent` (W3C Trace Context, section 3.2). Null for anything that is not well-formed: a new trace is begun
 * then. Versions after 00 are read as far as 00 goes, as the standard wants it.
 */
export function readTraceParent(header: unknown): TraceParent | null {
  if (typeof header !== 'string' || header.length > longest) return null;
  const [, version, traceId, parentId, , rest] = form.exec(header) ?? [];
  if (!traceId || !parentId || version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return null;
  return { traceId, parentId };
}
