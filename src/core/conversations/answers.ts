import { ParleyError } from '../../base/errors.ts';
import { cleanText } from '../../base/text.ts';
import type { ConversationsTable, MessagesTable, WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import type { ModelMessage, Target } from '../models/index.ts';
import { lockConversation, openConversation, openMessage, refuseBranches, timeIn, type AccessRow } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { withoutParty } from './parties/parties.ts';
import { historyHashes, rootHash, splitHistory } from './path.ts';
import { blind } from './pictures/picture-reading.ts';
import { copyPictures, insertPictures, picturesOf, picturesToKeep } from './pictures/pictures.ts';
import { withProfile } from './profiles/profiled.ts';
import { isBusy, toMessages } from './reading.ts';
import { toMessage } from './rows.ts';
import { insertMessage } from './statements.ts';
import { addAnswer, addSaid, countMessages, follow, insertConversation, moveHead, questionRow, tailOf, titleFrom, type AnswerPlan, type NewAnswer, type Tail } from './sending.ts';
import type { Conversations } from './contract.ts';
import { noModel, type Message, type NewConversation, type Outgoing, type Sent } from './types.ts';
import { instructionsOf, withDefaults, type TurnQuestion, type TurnRequest } from './turns/request.ts';

/** Most messages that come with a question. */
const mostBefore = 128;

type Options = Pick<Outgoing, 'model' | 'sampling' | 'dialect'>;

/** The target of a turn, or why there is none. */
interface Planned {
  target: Target | null;
  failure: ParleyError | null;
}

/** Whether a model answers: not when the sender wants no answer, and not in a conversation without a model unless one is named. */
function isAnswered(conversation: Pick<ConversationsTable, 'model'>, outgoing: Pick<Outgoing, 'answer' | 'model' | 'target'>): boolean {
  return outgoing.answer !== false && (conversation.model !== noModel || Boolean(outgoing.model ?? outgoing.target));
}

/** Where nothing branches models speak for parties alone (`speak`), within the bounds of whoever lets them. @throws {ParleyError} `conflict` */
function refuseNobody(conversation: Pick<ConversationsTable, 'is_linear'>): void {
  if (conversation.is_linear === 1) throw new ParleyError('conflict', { message: 'Models answer in this conversation only for its parties.' });
}

/** What people send there is theirs: nobody writes in the name of a party by what they attach. */
function ofNobody(conversation: Pick<ConversationsTable, 'is_linear'>, message: Outgoing): Outgoing {
  return conversation.is_linear === 1 && message.metadata ? { ...message, metadata: withoutParty(message.metadata) } : message;
}

/*
 * Everything that makes an answer begin: send, edit, regenerate, continue.
 */

const nobody: Planned = { target: null, failure: null };

export async function planModel(parts: ConversationParts, name: string | null, viewer: Viewer, outgoing: Pick<Outgoing, 'refuseBuiltin' | 'withoutModel' | 'target' | 'parts'>): Promise<Planned> {
  if (outgoing.target) {
    refuseBlind(outgoing.target, outgoing.parts);
    return { target: outgoing.target, failure: null };
  }
  try {
    const target = await parts.models.resolve(name, { userId: viewer.userId, role: viewer.role });
    if (target.isBuiltin && outgoing.refuseBuiltin) throw new ParleyError('no_model');
    refuseBlind(target, outgoing.parts);
    return { target, failure: null };
  } catch (error) {
    const known = error instanceof ParleyError && ['model_not_found', 'no_api_key', 'no_model'].includes(error.code);
    if (!known || outgoing.withoutModel === 'throw') throw error;
    return { target: null, failure: error };
  }
}

/** Pictures for a model that is known not to see are refused before anything is stored. @throws {ParleyError} `unsupported_value` */
function refuseBlind(target: Target, parts: Outgoing['parts']): void {
  if (target.seesPictures === false && parts?.some((part) => part.type === 'image')) throw blind(target);
}

export function answerPlan(parts: ConversationParts, viewer: Viewer, planned: Planned, request: Pick<TurnRequest, 'model'> & Partial<TurnRequest>, outgoing: Options & Partial<Outgoing>, times: Times, replacesId: string | null = null): AnswerPlan {
  return {
    userId: viewer.userId,
    role: viewer.role,
    budgets: parts.budgets,
    request: {
      sampling: outgoing.sampling ?? {},
      tools: outgoing.tools,
      toolChoice: outgoing.toolChoice,
      dialect: outgoing.dialect,
      apiKeyId: viewer.via === 'api-key' ? viewer.credentialId : null,
      refuseBuiltin: outgoing.refuseBuiltin ?? false,
      whole: outgoing.whole,
      ...(outgoing.instructions === undefined ? {} : { instructions: outgoing.instructions }),
      ...(outgoing.confidence ? { confidence: true } : {}),
      ...(outgoing.historyTokens === undefined ? {} : { historyTokens: outgoing.historyTokens }),
      ...(outgoing.notesContext ? { notesContext: true } : {}),
      ...request,
      model: planned.target?.id ?? request.model,
    },
    model: planned.target?.id ?? null,
    contextLength: planned.target?.contextLength ?? null,
    failure: planned.failure,
    replacesId,
    metadata: outgoing.answerMetadata ?? null,
    waits: parts.runsTurns === false,
    instanceId: parts.instanceId,
    ...times,
  };
}

/** Both by the database's clock, so that the times of messages agree whatever instance stores them. */
export async function times(parts: ConversationParts): Promise<Times> {
  const databaseNow = await parts.storage.now();
  return { now: databaseNow, databaseNow };
}

/** Tells those who watch, and begins the turn when it need not wait. Called after the commit. */
export function announce(parts: ConversationParts, conversationId: string, question: MessagesTable | null, answer: NewAnswer | null, target: Target | null, known?: TurnQuestion): void {
  const topic = `conversation:${conversationId}`;
  if (question) parts.bus.publish(topic, { type: 'message', messageId: question.id });
  if (!answer) return;
  if (answer.held) parts.runner.begin(answer.held, target ?? undefined, known);
  parts.bus.publish(topic, { type: answer.message.status === 'FAILED' ? 'turn_ended' : 'turn', messageId: answer.message.id });
}

async function asSent(parts: ConversationParts, question: MessagesTable, answer: MessagesTable | null): Promise<Sent> {
  const messages = await toMessages(parts.storage.read, answer ? [question, answer] : [question]);
  return { userMessage: messages[0]!, answer: messages[1] ?? null };
}

/** What has just been stored behind the head: nothing stands beside it, and nothing of the answer has been said. */
function asStored(question: MessagesTable, answer: MessagesTable | null): Sent {
  return {
    userMessage: toMessage(question, [question.id]),
    answer: answer && toMessage(answer, [answer.id], answer.status === 'PROCESSING' ? { text: '', reasoning: '', seq: 0 } : undefined),
  };
}

/** What was stored by an earlier send with the same key. @throws {ParleyError} `conflict` when that was in another conversation */
async function sentBefore(parts: ConversationParts, viewer: Viewer, conversationId: string | null, key: string): Promise<Sent | null> {
  const { read } = parts.storage;
  const question = await read.selectFrom('messages').selectAll().where('sender_id', '=', viewer.userId).where('idempotency_key', '=', key).executeTakeFirst();
  if (!question) return null;
  if (conversationId !== null && question.conversation_id !== conversationId) {
    throw new ParleyError('conflict', { message: 'This idempotency key was used for another message.' });
  }
  await openConversation(read, viewer, question.conversation_id, 'read');
  const answer = await read.selectFrom('messages').selectAll().where('parent_id', '=', question.id).where('role', '=', 'assistant').orderBy('seq').limit(1).executeTakeFirst();
  return asSent(parts, question, answer ?? null);
}

/**
 * Runs `store` once for each key: who sends the same again is answered with what the first stored, also when both come
 * at the same time and the database lets only one in.
 */
async function once<Stored extends Sent>(parts: ConversationParts, viewer: Viewer, conversationId: string | null, key: string | null | undefined, store: () => Promise<Stored>): Promise<Stored | Sent> {
  if (!key) return store();
  const before = await sentBefore(parts, viewer, conversationId, key);
  if (before) return before;
  try {
    return await store();
  } catch (error) {
    // Where it cannot be read either, the first error is the one that says what may have become of the message.
    const other = await sentBefore(parts, viewer, conversationId, key).catch((thrown: unknown) => {
      if (isUnavailable(thrown)) return null;
      throw thrown;
    });
    if (other) return other;
    throw error;
  }
}

function isUnavailable(thrown: unknown): boolean {
  return thrown instanceof ParleyError && thrown.code === 'storage_unavailable';
}

/** Sends into a conversation. */
export async function send(parts: ConversationParts, viewer: Viewer, conversationId: string, outgoing: Outgoing): Promise<Sent> {
  const message = checked(outgoing);
  const conversation = await openConversation(parts.storage.read, viewer, conversationId, 'write');
  return once(parts, viewer, conversationId, message.idempotencyKey, () => sendOnce(parts, viewer, conversation, message));
}

async function sendOnce(parts: ConversationParts, viewer: Viewer, conversation: AccessRow, given: Outgoing): Promise<Sent> {
  const message = withProfile(given, conversation);
  const conversationId = conversation.id;
  const wanted = message.model ?? conversation.model;
  const answered = isAnswered(conversation, message);
  if (answered) refuseNobody(conversation);
  const planned = answered ? await planModel(parts, wanted, viewer, message) : nobody;
  const when = await times(parts);
  const stored = await parts.storage.write(async (queries) => {
    await lockConversation(parts.storage, queries, conversationId);
    const current = await openConversation(queries, viewer, conversationId, 'write');
    await checkReply(queries, current, message.replyToId);
    return addQuestion(queries, tailOf(current), ofNobody(current, message), viewer, answered ? answerPlan(parts, viewer, planned, { model: wanted }, message, when) : null, timeIn(current, when.now), current);
  });
  announce(parts, conversationId, stored.question, stored.answer, planned.target, questionOf(conversation, stored, viewer, message));
  if (stored.titled) parts.bus.publish(`conversation:${conversationId}`, { type: 'changed' });
  return asStored(stored.question, stored.answer?.message ?? null);
}

/** Sends behind a history that the sender brings along. */
export async function sendWithHistory(parts: ConversationParts, viewer: Viewer, fields: NewConversation, history: ModelMessage[], outgoing: Outgoing): Promise<Sent & { conversationId: string }> {
  const message = checked(outgoing);
  const sent = await once(parts, viewer, null, message.idempotencyKey, () => sendBehind(parts, viewer, fields, history, message));
  return { ...sent, conversationId: sent.userMessage.conversationId };
}

async function sendBehind(parts: ConversationParts, viewer: Viewer, fields: NewConversation, history: ModelMessage[], message: Outgoing): Promise<Sent> {
  const { systemPrompt, messages } = splitHistory(history);
  const wanted = message.model ?? fields.model ?? null;
  const planned = await planModel(parts, wanted, viewer, message);
  const when = await times(parts);
  const hashes = historyHashes(systemPrompt, messages);
  const stored = await parts.storage.write(async (queries) => {
    const known = hashes.length > 0 ? await findByHash(queries, viewer, hashes.at(-1)!, systemPrompt) : null;
    const tail = known ? tailOf(known) : await addHistory(queries, viewer, { ...fields, systemPrompt }, messages, when.now, firstText(message));
    const settings = known ?? { system_prompt: systemPrompt, persona: fields.persona ?? null, temperature: fields.temperature ?? null, max_tokens: fields.maxTokens ?? null };
    const plan = answerPlan(parts, viewer, planned, { model: wanted }, message, when);
    return { conversationId: tail.conversationId, settings, ...(await addQuestion(queries, tail, message, viewer, plan, when.now, known ?? { title_source: 'user' })) };
  });
  announce(parts, stored.conversationId, stored.question, stored.answer, planned.target, questionOf(stored.settings, stored, viewer, message));
  return asStored(stored.question, stored.answer?.message ?? null);
}

/** Sends behind an answer, which need not be the end of the shown path. */
export async function sendAfter(parts: ConversationParts, viewer: Viewer, answerId: string, outgoing: Outgoing): Promise<Sent> {
  const message = checked(outgoing);
  const { message: answer, conversation } = await openMessage(parts.storage.read, viewer, answerId, 'write');
  if (answer.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only an answer can be gone on from.' });
  refuseNobody(conversation);
  return once(parts, viewer, conversation.id, message.idempotencyKey, () => sendAfterOnce(parts, viewer, answer, conversation, message));
}

async function sendAfterOnce(parts: ConversationParts, viewer: Viewer, answer: MessagesTable, conversation: AccessRow, message: Outgoing): Promise<Sent> {
  const wanted = message.model ?? conversation.model;
  const planned = await planModel(parts, wanted, viewer, message);
  const when = await times(parts);
  const stored = await parts.storage.write(async (queries) => {
    await lockConversation(parts.storage, queries, conversation.id);
    const current = await openConversation(queries, viewer, conversation.id, 'write');
    const branches = current.head_id !== answer.id;
    const tail = branches ? await branchBehind(queries, current, answer.id) : tailOf(current);
    const added = await addQuestion(queries, tail, message, viewer, answerPlan(parts, viewer, planned, { model: wanted }, message, when), when.now, current);
    return { ...added, branches };
  });
  if (stored.branches) parts.bus.publish(`conversation:${conversation.id}`, { type: 'branch_changed', headId: stored.answer!.message.id });
  announce(parts, conversation.id, stored.question, stored.answer, planned.target, questionOf(conversation, stored, viewer, message));
  return asSent(parts, stored.question, stored.answer?.message ?? null);
}

/** Where a branch behind this answer begins. @throws {ParleyError} `conflict` while an answer is waiting or being made */
async function branchBehind(queries: WriteQueries, current: AccessRow, answerId: string): Promise<Tail> {
  refuseBranches(current);
  await refuseBusy(queries, current.id);
  const answer = await queries.selectFrom('messages').select(['id', 'depth', 'path_hash']).where('id', '=', answerId).executeTakeFirst();
  if (!answer) throw new ParleyError('not_found', { message: 'Message not found' });
  return { conversationId: current.id, headId: answer.id, headDepth: answer.depth, headHash: answer.path_hash, lastSeq: current.last_seq };
}

async function refuseBusy(queries: WriteQueries, conversationId: string): Promise<void> {
  if (await isBusy(queries, conversationId)) throw new ParleyError('conflict', { message: 'An answer of this conversation is still being made. Wait for it or stop it first.' });
}

export async function edit(parts: ConversationParts, viewer: Viewer, messageId: string, content: string, options: Options): Promise<Sent> {
  const message = checked({ ...options, content });
  const { message: original, conversation } = await openMessage(parts.storage.read, viewer, messageId, 'write');
  if (original.role !== 'user') throw new ParleyError('conflict', { message: 'Only messages of people can be edited.' });
  if (original.sender_id !== viewer.userId) throw new ParleyError('forbidden', { message: 'Only its sender can edit a message.' });
  const wanted = options.model ?? conversation.model;
  const answered = isAnswered(conversation, options);
  const planned = answered ? await planModel(parts, wanted, viewer, {}) : nobody;
  const when = await times(parts);
  const stored = await parts.storage.write(async (queries) => {
    const { current, tail } = await branchAt(parts, queries, viewer, original);
    const pictures = picturesOf(original);
    const question = { ...questionRow(tail, viewer.userId, message, when.now, pictures), replaces_id: original.id, is_edited: 1, metadata: original.metadata, reply_to_id: original.reply_to_id };
    await insertMessage.run(queries, question);
    if (pictures.length > 0) await copyPictures(queries, original.id, question.id);
    await countMessages(queries, current.id, viewer.userId, 1);
    const behind = follow({ ...tail, lastSeq: current.last_seq }, question);
    const answer = answered ? await addAnswer(queries, behind, answerPlan(parts, viewer, planned, { model: wanted }, message, when)) : null;
    await moveHead(queries, answer ? { ...follow(behind, answer.message), headHash: null } : behind, when.now);
    return { question, answer };
  });
  parts.bus.publish(`conversation:${conversation.id}`, { type: 'branch_changed', headId: (stored.answer?.message ?? stored.question).id });
  announce(parts, conversation.id, stored.question, stored.answer, planned.target);
  return asSent(parts, stored.question, stored.answer?.message ?? null);
}

/** A second answer beside `original`. */
async function answerAgain(parts: ConversationParts, viewer: Viewer, original: MessagesTable, conversation: AccessRow, options: Options, continues: string | undefined) {
  const wanted = options.model ?? (continues ? original.model : null) ?? conversation.model;
  const planned = await planModel(parts, wanted, viewer, {});
  const when = await times(parts);
  const stored = await parts.storage.write(async (queries) => {
    const { current, tail } = await branchAt(parts, queries, viewer, original);
    const answer = await addAnswer(queries, { ...tail, lastSeq: current.last_seq }, answerPlan(parts, viewer, planned, { model: wanted, continues }, options, when, original.id));
    await moveHead(queries, { ...follow(tail, answer.message), headHash: null }, when.now);
    return answer;
  });
  parts.bus.publish(`conversation:${conversation.id}`, { type: 'branch_changed', headId: stored.message.id });
  announce(parts, conversation.id, null, stored, planned.target);
  return (await toMessages(parts.storage.read, [stored.message]))[0]!;
}

/** Where a sibling of `original` goes. Refused while an answer of the conversation is waiting or being made. */
async function branchAt(parts: ConversationParts, queries: WriteQueries, viewer: Viewer, original: MessagesTable): Promise<{ current: AccessRow; tail: Tail }> {
  await lockConversation(parts.storage, queries, original.conversation_id);
  const current = await openConversation(queries, viewer, original.conversation_id, 'write');
  refuseBranches(current);
  await refuseBusy(queries, current.id);
  const parent = original.parent_id === null ? null : await queries.selectFrom('messages').select(['id', 'depth', 'path_hash']).where('id', '=', original.parent_id).executeTakeFirstOrThrow();
  const root = rootHash(current.system_prompt);
  return { current, tail: { conversationId: current.id, headId: parent?.id ?? null, headDepth: parent?.depth ?? 0, headHash: parent ? parent.path_hash : root, lastSeq: current.last_seq } };
}

/** Answers the same message once more, beside `messageId`. */
export async function regenerate(parts: ConversationParts, viewer: Viewer, messageId: string, options: Options): Promise<Message> {
  const { message, conversation } = await openMessage(parts.storage.read, viewer, messageId, 'write');
  if (message.role !== 'assistant' || message.parent_id === null) throw new ParleyError('conflict', { message: 'Only answers can be made again.' });
  return answerAgain(parts, viewer, message, conversation, options, undefined);
}

/** Goes on with an answer that was broken off. */
export async function continueAnswer(parts: ConversationParts, viewer: Viewer, messageId: string, options: Options): Promise<Message> {
  const { message, conversation } = await openMessage(parts.storage.read, viewer, messageId, 'write');
  const brokenOff = ['CANCELLED', 'INTERRUPTED', 'FAILED'].includes(message.status) || message.finish_reason === 'length';
  if (message.role !== 'assistant' || message.parent_id === null || !brokenOff) {
    throw new ParleyError('conflict', { message: 'Only an answer that was broken off can be continued.' });
  }
  return answerAgain(parts, viewer, message, conversation, options, message.id);
}

interface Times {
  now: number;
  databaseNow: number;
}

/** What the runner needs to know of a question that has just been stored. */
function questionOf(settings: Pick<ConversationsTable, 'system_prompt' | 'persona' | 'temperature' | 'max_tokens'>, stored: { question: MessagesTable }, viewer: Viewer, message: Outgoing): TurnQuestion {
  return {
    row: stored.question,
    ...instructionsOf(message.instructions, settings),
    senderRole: viewer.role,
    prefill: '',
    sampling: withDefaults(message.sampling ?? {}, settings),
  };
}

/** The message with its text made safe. @throws {ParleyError} `empty_message`, `invalid_request` */
function checked<Message extends Outgoing>(message: Message): Message {
  const content = cleanText(message.content, 'content');
  // The result of a tool may be nothing.
  const { pictures } = picturesToKeep(message.parts);
  if (content.trim() === '' && message.toolCallId === undefined && pictures.length === 0) throw new ParleyError('empty_message', { parameter: 'content' });
  const before = message.before ?? [];
  if (before.length > mostBefore) throw new ParleyError('invalid_request', { message: `At most ${mostBefore} messages may come with the one that is answered.` });
  return { ...message, content, before: before.map((item) => ({ ...item, content: cleanText(item.content, 'content') })) };
}

async function checkReply(queries: WriteQueries, conversation: AccessRow, replyToId: string | null | undefined): Promise<void> {
  if (!replyToId) return;
  const found = await queries.selectFrom('messages').select('id').where('id', '=', replyToId).where('conversation_id', '=', conversation.id).executeTakeFirst();
  if (!found) throw new ParleyError('not_found', { message: 'The message replied to is not in this chat' });
}

/**
 * Whether the sender may send pictures here; a conversation that is just being made is the sender's own.
 * @throws {ParleyError} `forbidden`
 */
function refuseUploads({ viewer_can_upload: mayUpload = 1 }: { viewer_can_upload?: number | null }, { parts, before = [] }: Outgoing): void {
  const hasPictures = [parts, ...before.map((message) => message.parts)].some((sent) => picturesToKeep(sent).pictures.length > 0);
  if (hasPictures && mayUpload !== 1) throw new ParleyError('forbidden', { message: 'You may not send pictures to this chat' });
}

/** Adds the question and, with a plan, its answer; moves the head behind them. @throws {ParleyError} `forbidden` */
async function addQuestion(
  queries: WriteQueries,
  tail: Tail,
  outgoing: Outgoing,
  viewer: Viewer,
  plan: AnswerPlan | null,
  now: number,
  conversation: { title_source: string; viewer_can_upload?: number | null },
): Promise<{ question: MessagesTable; answer: NewAnswer | null; titled: boolean }> {
  refuseUploads(conversation, outgoing);
  const place = outgoing.before?.length ? await addSaid(queries, tail, viewer.userId, outgoing.before, now) : tail;
  const question = questionRow(place, viewer.userId, outgoing, now);
  await insertMessage.run(queries, question);
  await insertPictures(queries, question.id, picturesToKeep(outgoing.parts));
  const behind = follow(place, question);
  const answer = plan ? await addAnswer(queries, behind, plan) : null;
  const end = answer ? { ...follow(behind, answer.message), headHash: null } : behind;
  const titled = conversation.title_source === 'default';
  if (outgoing.profile !== undefined) await queries.updateTable('conversations').set({ profile: outgoing.profile }).where('id', '=', tail.conversationId).execute();
  await moveHead(queries, end, now, titled ? { title: titleFrom(firstText(outgoing)), title_source: 'first-message' } : undefined);
  await countMessages(queries, tail.conversationId, viewer.userId, 1);
  return { question, answer, titled };
}

/** The viewer's conversation whose shown path has this hash; the one last used, when there are several. */
async function findByHash(queries: WriteQueries, viewer: Viewer, hash: string, systemPrompt: string | null): Promise<AccessRow | null> {
  const found = await queries
    .selectFrom('conversations')
    .select('id')
    .where('owner_id', '=', viewer.userId)
    .where('head_hash', '=', hash)
    .where('archived_at', 'is', null)
    .where('trashed_at', 'is', null)
    .where('is_linear', '=', 0)
    // What the model is told besides the history must be what was sent, also when someone changed it since.
    .where('system_prompt', systemPrompt === null ? 'is' : '=', systemPrompt)
    .where('persona', 'is', null)
    .orderBy('last_activity_at', 'desc')
    .limit(1)
    // Whoever comes second waits here, and finds that the head has moved.
    .forUpdate()
    .executeTakeFirst();
  return found ? openConversation(queries, viewer, found.id, 'write') : null;
}

/** A new conversation that holds a sent history already. */
async function addHistory(queries: WriteQueries, viewer: Viewer, fields: NewConversation, messages: readonly ModelMessage[], now: number, question: string): Promise<Tail> {
  const first = messages.find((message) => message.role === 'user')?.content ?? question;
  const tail = await insertConversation(queries, viewer.userId, fields, now, fields.title === undefined ? titleFrom(first) : undefined);
  return addSaid(queries, tail, viewer.userId, messages, now);
}

/** What a person said first among what is sent. */
function firstText(outgoing: Outgoing): string {
  return outgoing.before?.find((message) => message.role === 'user')?.content ?? outgoing.content;
}

/** Everything that makes an answer begin. */
export function createAnswers(parts: ConversationParts): Pick<Conversations, 'send' | 'sendAfter' | 'sendWithHistory' | 'edit' | 'regenerate' | 'continue'> {
  return {
    send: (...given) => send(parts, ...given),
    sendAfter: (...given) => sendAfter(parts, ...given),
    sendWithHistory: (...given) => sendWithHistory(parts, ...given),
    edit: (...given) => edit(parts, ...given),
    regenerate: (...given) => regenerate(parts, ...given),
    continue: (...given) => continueAnswer(parts, ...given),
  };
}
