/** One server-sent event. */
export interface ServerSentEvent {
  event: string;
  data: string;
  id: string | null;
}

/**
 * Follows a stream of server-sent events (WHATWG HTML, section 9.2) until it ends or is aborted.
 * @param opened called when the server has taken the request
 * @throws {Refused} for an answer that is no stream
 */
export async function* serverSentEvents(url: string, init: RequestInit & { signal: AbortSignal }, opened?: () => void): AsyncGenerator<ServerSentEvent> {
  const response = await fetch(url, init);
  if (response.status !== 200) throw new Refused(response.status);
  opened?.();
  let rest = '';
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const lines = block.split('\n').map((line) => /^([a-z]*): ?(.*)$/.exec(line) ?? ['', '', '']);
      const values = (name: string): string[] => lines.filter(([, field]) => field === name).map(([, , value]) => value!);
      if (values('data').length > 0) yield { event: values('event')[0] ?? 'message', data: values('data').join('\n'), id: values('id')[0] ?? null };
    }
  }
}

/** An HTTP answer other than 200. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`refused with ${status}`);
    this.status = status;
  }
}
