import { setTimeout as delay } from 'node:timers/promises';
import { ParleyError, errorTable, type ErrorCode } from '../base/errors.ts';
import type { Viewer } from '../core/accounts/index.ts';
import { noModel, type Message } from '../core/conversations/index.ts';
import { splitModel } from '../core/models/index.ts';
import { AIServiceError } from './errors.ts';
import { Opening, viewerOf, type Opened } from './opening.ts';
import { documentedModel, dollars, modelId, providerName, tokensOf } from './requests.ts';
import { toSession } from './sessions.ts';
import type { ChatAnswer, Provider, ServiceOptions, SessionMessage, SessionOptions, SessionWithMessages } from './types.ts';

const dialect = 'studio';
/** Messages read at once. */
const pageSize = 1000;
/** How often an answer that another process makes is looked at, milliseconds. */
const lookMs = 100;
/** How long another process may take to begin such an answer, milliseconds: it looks for them every two seconds. */
const beginMs = 10_000;

/**
 * Chat sessions and their messages: the same conversations that the page and every dialect show.
 * Without `app` it opens the database of the environment's settings with its first call: close it in the end. Beside a
 * running server the sessions are shared, and answers are made by that server.
 */
export class ChatService {
  readonly #opening: Opening;

  constructor(options: ServiceOptions = {}) {
    this.#opening = new Opening(options, 'turns');
  }

  /** Id of the account that owns this server, for programs that act for nobody else. */
  async ownerId(): Promise<string> {
    const { core } = await this.#opening.get();
    return (await core.accounts.owner()).id;
  }

  /**
   * Stores a new session.
   * @param title default `New chat`, replaced by the beginning of the first message
   * @param model stored as it is named: a bare name, or `provider/model`
   * @returns its id
   * @throws {ParleyError} `not_found` for an unknown user
   */
  async createSession(userId: string, title?: string | null, model: string = documentedModel, options: SessionOptions = {}): Promise<string> {
    const { core, conversations } = await this.#opening.get();
    const viewer = await viewerOf(core, userId);
    const stored = options.provider === undefined ? model : `${providerName(options.provider)}/${model}`;
    const { id } = await conversations.create(viewer, { origin: dialect, model: stored, systemPrompt: options.systemPrompt ?? null, ...(title ? { title } : {}) });
    return id;
  }

  /**
   * A session with all its messages, oldest first.
   * @throws {ParleyError} `not_found` for a session that is unknown or somebody else's
   */
  async getSession(sessionId: string, userId: string): Promise<SessionWithMessages> {
    const { core, conversations } = await this.#opening.get();
    const viewer = await viewerOf(core, userId);
    try {
      const conversation = await conversations.get(viewer, sessionId);
      // Members of a group see its messages, but a session is its owner's.
      if (conversation.ownerId !== viewer.userId) throw new ParleyError('forbidden');
      return toSession(core.models, conversation, await this.#allMessages(viewer, sessionId));
    } catch (error) {
      // Whether it exists is nobody's business but its owner's.
      if (error instanceof ParleyError && error.code === 'forbidden') throw notFound();
      throw error;
    }
  }

  /**
   * Stores a message without asking a model. Who may write into the session is for the caller to know.
   * @param modelUsed kept as the message's model and in its metadata
   * @param tokensUsed whole number of 0 or more; default 0
   * @returns its id
   * @throws {ParleyError} `not_found`, `empty_message`, `invalid_request`
   */
  async addMessage(sessionId: string, role: SessionMessage['role'], content: string, modelUsed?: string | null, tokensUsed?: number | null): Promise<string> {
    const { conversations } = await this.#opening.get();
    const viewer = await this.#ownerOf(sessionId);
    const { id } = await conversations.append(viewer, sessionId, { role, content, model: modelUsed, tokens: tokensUsed ?? 0 });
    return id;
  }

  /**
   * Stores the message, asks a model with the whole session, stores its answer and returns it.
   * @param model default the session's, then `gpt-4o`
   * @param provider default what the model's name says: `gpt-...` is OpenAI's
   * @throws {AIServiceError} when there is no key (the message names the variable) or the service fails. The message is
   * stored all the same, and `getSession` shows no answer to it
   * @throws {ParleyError} `not_found`, `empty_message`; `queue_full`, `budget_exceeded`: then nothing is stored
   */
  async chatCompletion(sessionId: string, userMessage: string, model?: string | null, provider?: Provider | null): Promise<ChatAnswer> {
    const opened = await this.#opening.get();
    const viewer = await this.#ownerOf(sessionId);
    const session = await opened.conversations.get(viewer, sessionId);
    const wanted = wantedModel(opened, session.model === noModel ? null : session.model, model, provider);
    const { answer } = await opened.conversations.send(viewer, sessionId, { content: userMessage, model: wanted, dialect, refuseBuiltin: true, whole: true });
    const ended = await ending(opened, viewer, answer!);
    if (ended.status !== 'DELIVERED') throw failure(opened, ended, wanted);
    const spoke = splitModel(opened.core.models, ended.model ?? wanted);
    return {
      content: ended.content,
      model: spoke.model,
      provider: spoke.provider ?? '',
      tokensUsed: tokensOf(ended.tokensIn, ended.tokensOut),
      cost: dollars(ended.costMicros),
      messageId: ended.id,
    };
  }

  /** Lets answers that run end and closes the database; not that of an `app`. The service is of no use behind it. */
  async close(): Promise<void> {
    await this.#opening.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The owner of a session as a viewer: the documented calls name no user. @throws {ParleyError} `not_found` */
  async #ownerOf(sessionId: string): Promise<Viewer> {
    const { core, conversations } = await this.#opening.get();
    const owner = await conversations.ownerOf(sessionId);
    if (owner === null) throw notFound();
    return await viewerOf(core, owner);
  }

  async #allMessages(viewer: Viewer, sessionId: string): Promise<Message[]> {
    const { conversations } = await this.#opening.get();
    const pages: Message[][] = [];
    for (;;) {
      const page = await conversations.messages(viewer, sessionId, { limit: pageSize, offset: pages.length * pageSize });
      pages.unshift(page);
      if (page.length < pageSize) return pages.flat();
    }
  }
}

function notFound(): ParleyError {
  return new ParleyError('not_found', { message: 'Session not found' });
}

/** Which model answers: the call's, the session's, the documented one. */
function wantedModel({ core: { models } }: Opened, ofSession: string | null, model: string | null | undefined, provider: Provider | null | undefined): string {
  if (provider) {
    const named = ofSession === null ? null : splitModel(models, ofSession);
    const kept = named?.provider === provider ? named.model : null;
    return modelId(provider, model ?? kept);
  }
  return model || ofSession || documentedModel;
}

/** The answer as it ended. */
async function ending({ conversations, isBeside }: Opened, viewer: Viewer, answer: Message): Promise<Message> {
  if (answer.endedAt !== null) return answer;
  if (!isBeside) {
    for await (const _ of conversations.attach(viewer, answer.id, 0, new AbortController().signal));
    return await conversations.message(viewer, answer.id);
  }
  const began = performance.now();
  for (;;) {
    const now = await conversations.message(viewer, answer.id);
    if (now.endedAt !== null) return now;
    // Behind others that run it may wait for long: only an answer that nothing stands before is late.
    if (now.status === 'QUEUED' && performance.now() - began > beginMs && !(await othersRun(conversations, viewer, now))) {
      throw new ParleyError('provider_unavailable', {
        message: 'Another process has this database and makes its answers, but it has not begun this one. The message is stored, and its answer is made as soon as a server runs.',
      });
    }
    await delay(lookMs);
  }
}

async function othersRun(conversations: Opened['conversations'], viewer: Viewer, waiting: Message): Promise<boolean> {
  const before = await conversations.messages(viewer, waiting.conversationId, { limit: 32, offset: 0, peek: true });
  return before.some((message) => message.status === 'PROCESSING');
}

/** Why there is no answer. */
function failure({ core }: Opened, ended: Message, wanted: string): AIServiceError {
  const code = ended.error?.code ?? 'cancelled';
  const known: ErrorCode = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'provider_error';
  return new AIServiceError(known, ended.error?.message || `The answer ended as ${ended.status}.`, { provider: splitModel(core.models, ended.model ?? wanted).provider });
}
