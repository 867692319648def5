import { call, events, type ClientAnswer } from './http-client.ts';
import { createRandom } from './random.ts';
import { spawnServer, type ServerProcess } from './server-process.ts';
import { modelId, providerName, startUpstream, type Upstream } from './upstream.ts';

/** A message of the arketic dialect, whole. */
export interface WholeMessage {
  id: string;
  content: string;
  status: string;
  error: { code: string; message: string } | null;
}

/** The real server, the model service it asks, and one person who uses it. */
export interface OneServer {
  upstream: Upstream;
  process(): ServerProcess;
  /** A request of the person. */
  ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<ClientAnswer>;
  /** Sends a message into a chat; the answer in the making. @throws {Error} for any status but 200 */
  send(chatId: string, content: string): Promise<WholeMessage>;
  makeChat(): Promise<string>;
  /** Reads an answer until its end, or until `enough` says so of the text so far; the message as it ended, or null. */
  follow(chatId: string, answerId: string, enough?: (text: string) => boolean): Promise<WholeMessage | null>;
  /** A completion of the OpenAI dialect, kept and streamed: its text, and the error event, if one came. */
  complete(question: string): Promise<{ text: string; error: { message: string; type: string; code: string | null } | null; done: boolean }>;
  /** Starts it again on the same folder. @throws {Error} with what it printed when it does not start */
  start(): Promise<void>;
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  close(): Promise<void>;
}

/** Its model gives long answers, so that there is a middle in which something can happen. */
export async function openServer(dataDir: string): Promise<OneServer> {
  const upstream = await startUpstream(createRandom(1), { fewest: 90, most: 90 });
  let server: ServerProcess;
  let address = '';
  let token = '';

  const one: OneServer = {
    upstream,
    process: () => server,
    ask: (method, path, body) => call({ method, url: address + path, token, body }),
    async send(chatId, content) {
      const sent = await one.ask('POST', `/api/v1/chat/chats/${chatId}/messages?include=answer`, { content });
      if (sent.status !== 200) throw new Error(`${sent.status} ${JSON.stringify(sent.body)}`);
      return (sent.body as { answer: WholeMessage }).answer;
    },
    async makeChat() {
      const made = await one.ask('POST', '/api/v1/chat/chats', { title: 'chat', ai_model: modelId });
      return (made.body as { id: string }).id;
    },
    async follow(chatId, answerId, enough = () => false) {
      let text = '';
      for await (const { event, data } of events({ method: 'GET', url: `${address}/api/v1/chat/chats/${chatId}/messages/${answerId}/stream`, token })) {
        const fields = JSON.parse(data) as { text: string; message: WholeMessage };
        if (event === 'end') return fields.message;
        if (event === 'text') text += fields.text;
        if (enough(text)) return null;
      }
      throw new Error(`The stream ended without an end, behind "${text}"`);
    },
    async complete(question) {
      const said = { text: '', error: null as { message: string; type: string; code: string | null } | null, done: false };
      const body = { model: modelId, stream: true, store: true, messages: [{ role: 'user', content: question }] };
      for await (const { data } of events({ method: 'POST', url: `${address}/v1/chat/completions`, token, body })) {
        if (data === '[DONE]') said.done = true;
        else {
          const chunk = JSON.parse(data) as { choices?: { delta: { content?: string } }[]; error?: { message: string; type: string; code: string | null } };
          said.text += chunk.choices?.[0]?.delta.content ?? '';
          said.error = chunk.error ?? said.error;
        }
      }
      return said;
    },
    async start() {
      server = spawnServer({ dataDir, environment: { COMPATIBLE_SERVERS: `${providerName}=${upstream.url}`, DEFAULT_MODEL: modelId } });
      const ready = await server.ready;
      if (ready === null) throw new Error(server.output());
      address = ready;
    },
    async stop(signal) {
      server.kill(signal);
      await server.exited;
    },
    async close() {
      await one.stop('SIGKILL');
      await upstream.close();
    },
  };
  await one.start();
  const registered = await one.ask('POST', '/api/auth/register', { username: 'person', password: 'password of one', email: 'person@example.org', name: 'Person' });
  token = (registered.body as { access_token: string }).access_token;
  return one;
}
